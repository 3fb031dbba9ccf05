// What runs a Faust program without a device: `instances` copies of it side by side, their sliders moved every
// 64 frames, their two outputs summed and written to a float WAV.
//
//     job SECONDS OUT.wav CONTROLS.txt INSTANCES
//
// A slider is labelled by its row in CONTROLS.txt, counted on from instance to instance: centre, depth, rate in
// hertz, phase in cycles, and 1 where the depth is in octaves.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#define FAUSTFLOAT float

struct Meta {
    void declare(const char*, const char*) {}
};

struct Soundfile;

struct UI {
    std::vector<std::pair<int, float*>> sliders;
    void openTabBox(const char*) {}
    void openHorizontalBox(const char*) {}
    void openVerticalBox(const char*) {}
    void closeBox() {}
    void addButton(const char*, float*) {}
    void addCheckButton(const char*, float*) {}
    void addVerticalSlider(const char*, float*, float, float, float, float) {}
    void addHorizontalSlider(const char* label, float* zone, float, float, float, float) {
        sliders.emplace_back(std::atoi(label), zone);
    }
    void addNumEntry(const char*, float*, float, float, float, float) {}
    void addHorizontalBargraph(const char*, float*, float, float) {}
    void addVerticalBargraph(const char*, float*, float, float) {}
    void addSoundfile(const char*, const char*, Soundfile**) {}
    void declare(float*, const char*, const char*) {}
};

struct dsp {
    virtual ~dsp() {}
};

<<includeIntrinsic>>
<<includeclass>>

struct Control {
    float centre, depth, rate_hz, phase, octaves;
};

static void put(std::FILE* file, std::uint32_t value) { std::fwrite(&value, 4, 1, file); }
static void put(std::FILE* file, std::uint16_t value) { std::fwrite(&value, 2, 1, file); }

int main(int, char** told) {
    const int rate_hz = 48000, step = 64;
    const std::uint32_t frames = std::uint32_t(std::atof(told[1]) * rate_hz);
    std::vector<Control> controls;
    std::FILE* rows = std::fopen(told[3], "r");
    for (Control c; std::fscanf(rows, "%f %f %f %f %f", &c.centre, &c.depth, &c.rate_hz, &c.phase, &c.octaves) == 5;)
        controls.push_back(c);
    std::fclose(rows);

    std::vector<std::unique_ptr<mydsp>> instances;
    std::vector<std::pair<Control, float*>> moving;
    const int count = std::atoi(told[4]);
    mydsp::classInit(rate_hz);
    for (int i = 0; i < count; ++i) {
        instances.emplace_back(new mydsp());
        instances.back()->instanceInit(rate_hz);
        UI ui;
        instances.back()->buildUserInterface(&ui);
        for (auto& slider : ui.sliders)
            moving.emplace_back(controls.at(slider.first + i * ui.sliders.size()), slider.second);
    }

    std::FILE* out = std::fopen(told[2], "wb");
    std::fwrite("RIFF", 4, 1, out), put(out, std::uint32_t(36 + 8 * frames));
    std::fwrite("WAVEfmt ", 8, 1, out), put(out, std::uint32_t(16));
    put(out, std::uint16_t(3)), put(out, std::uint16_t(2));
    put(out, std::uint32_t(rate_hz)), put(out, std::uint32_t(8 * rate_hz));
    put(out, std::uint16_t(8)), put(out, std::uint16_t(32));
    std::fwrite("data", 4, 1, out), put(out, std::uint32_t(8 * frames));

    float own[2][step], mix[2 * step];
    float* outputs[2] = {own[0], own[1]};
    for (std::uint32_t start = 0; start < frames; start += step) {
        for (auto& [c, zone] : moving) {
            const double sine = std::sin(6.283185307179586 * (c.rate_hz * double(start) / rate_hz + c.phase));
            *zone = c.octaves != 0.0f ? c.centre * std::exp2(c.depth * sine) : c.centre + c.depth * sine;
        }
        for (float& value : mix) value = 0.0f;
        for (auto& instance : instances) {
            instance->compute(step, nullptr, outputs);
            for (int i = 0; i < step; ++i) mix[2 * i] += own[0][i], mix[2 * i + 1] += own[1][i];
        }
        std::fwrite(mix, 8, step, out);
    }
    std::fclose(out);
}
