// The loops of resonance's saws, sines and winds as C++ would have them: what benchmarks/floor.py holds the kernels
// against. The same tables, arithmetic and steps of 64 frames; layouts as in resonance/dsp.

#include <algorithm>
#include <cmath>
#include <cstdint>

constexpr int FRAMES = 64, TAPS = 32, PLACES = 256, LANES = 32, MIDDLE = 32;

// dsp/oscillators.py: saws. `table` has PLACES + 1 rows of TAPS; `tail` 2 rows of FRAMES + TAPS.
static double edge_frame(double distance, double slope, double bend) {
    const double speed = slope + std::sqrt(std::max(slope * slope + 4.0 * bend * distance, 0.0));
    return speed * FRAMES <= 2.0 * distance ? double(FRAMES) : 2.0 * distance / speed;
}

extern "C" void saws(int voices, int steps, double* phase, float* tail, const double* cycles, const float* left,
                     const float* right, const float* table, float* out, int frames) {
    float* strips[2] = {tail, tail + FRAMES + TAPS};
    for (int step = 0; step < steps; ++step) {
        for (int i = 0; i < voices; ++i) {
            const double slope = cycles[step * voices + i], now = cycles[(step + 1) * voices + i];
            const double bend = (now - slope) / (2.0 * FRAMES), end = phase[i] + 0.5 * FRAMES * (slope + now);
            const int wraps = int(std::floor(end));
            const float level[2] = {left[step * voices + i], right[step * voices + i]};
            const float rise[2] = {(left[(step + 1) * voices + i] - level[0]) / FRAMES,
                                   (right[(step + 1) * voices + i] - level[1]) / FRAMES};
            int begin = 0;
            for (int edge = 0; edge <= wraps; ++edge) {
                int until = FRAMES;
                if (edge < wraps) {
                    const double at = edge_frame(edge + 1 - phase[i], slope, bend);
                    const int frame = std::min(int(at), FRAMES - 1);
                    until = frame + 1;
                    const double place = (at - frame) * PLACES;
                    const int row = std::min(int(place), PLACES - 1);
                    const float further = float(place - row);
                    const float *here = table + row * TAPS, *there = here + TAPS;
                    float value[TAPS];
                    for (int k = 0; k < TAPS; ++k) value[k] = here[k] + further * (there[k] - here[k]);
                    for (int side = 0; side < 2; ++side) {
                        const float height = float(-2.0 * (level[side] + at * rise[side]));
                        float* strip = strips[side] + frame + 1;
                        for (int k = 0; k < TAPS; ++k) strip[k] += height * value[k];
                    }
                }
                const float first = float(2.0 * (phase[i] - edge) - 1.0 + begin * (2.0 * slope + begin * 2.0 * bend));
                const float steep = float(2.0 * slope + 4.0 * bend * begin), curve = float(2.0 * bend);
                for (int side = 0; side < 2; ++side) {
                    const float from = level[side] + begin * rise[side], up = rise[side];
                    float* strip = strips[side] + TAPS / 2 + begin;
                    for (int j = 0; j < until - begin; ++j) {
                        const float t = float(j);
                        strip[j] += (first + t * (steep + t * curve)) * (from + t * up);
                    }
                }
                begin = until;
            }
            phase[i] = end - wraps;
        }
        for (int side = 0; side < 2; ++side) {
            for (int j = 0; j < FRAMES; ++j) out[side * frames + step * FRAMES + j] += strips[side][j];
            std::copy(strips[side] + FRAMES, strips[side] + FRAMES + TAPS, strips[side]);
            std::fill(strips[side] + TAPS, strips[side] + FRAMES + TAPS, 0.0f);
        }
    }
}

// dsp/partials.py: sines, those that glide slowly; `voices` a multiple of LANES.
extern "C" void sines(int voices, int steps, double* phase, const double* cycles, const float* left,
                      const float* right, float* out, int frames) {
    const double turn = 6.283185307179586;
    for (int step = 0; step < steps; ++step) {
        float *left_out = out + step * FRAMES, *right_out = out + frames + step * FRAMES;
        for (int group = 0; group < voices; group += LANES) {
            float on_x[LANES], on_y[LANES], back_x[LANES], back_y[LANES], turn_x[LANES], turn_y[LANES], bend[LANES];
            float l[LANES], l_rise[LANES], r[LANES], r_rise[LANES];
            for (int k = 0; k < LANES; ++k) {
                const int i = group + k, here = step * voices + i, there = here + voices;
                const double mean = 0.5 * (cycles[here] + cycles[there]);
                const float f = float(turn * mean);
                turn_x[k] = std::cos(f), turn_y[k] = std::sin(f);
                double on = phase[i] - 0.25 + MIDDLE * mean, back = on - mean;
                on -= std::floor(on), back -= std::floor(back);
                on_x[k] = std::cos(float(turn * on)), on_y[k] = std::sin(float(turn * on));
                back_x[k] = std::cos(float(turn * back)), back_y[k] = std::sin(float(turn * back));
                bend[k] = float((cycles[there] - cycles[here]) * (3.141592653589793 / FRAMES));
                l[k] = left[here], l_rise[k] = (left[there] - left[here]) / FRAMES;
                r[k] = right[here], r_rise[k] = (right[there] - right[here]) / FRAMES;
                const double end = phase[i] + FRAMES * mean;
                phase[i] = end - std::floor(end);
            }
            for (int j = 0; j < MIDDLE; ++j) {
                const float t = float(MIDDLE + j), u = float(MIDDLE - 1 - j);
                const float bow_t = t * (FRAMES - t), bow_u = u * (FRAMES - u);
                float lt = 0, rt = 0, lu = 0, ru = 0;
                for (int k = 0; k < LANES; ++k) {
                    float x = on_x[k], y = on_y[k], value = x + bend[k] * bow_t * y;
                    lt += value * (l[k] + t * l_rise[k]), rt += value * (r[k] + t * r_rise[k]);
                    on_x[k] = x * turn_x[k] - y * turn_y[k], on_y[k] = y * turn_x[k] + x * turn_y[k];
                    x = back_x[k], y = back_y[k], value = x + bend[k] * bow_u * y;
                    lu += value * (l[k] + u * l_rise[k]), ru += value * (r[k] + u * r_rise[k]);
                    back_x[k] = x * turn_x[k] + y * turn_y[k], back_y[k] = y * turn_x[k] - x * turn_y[k];
                }
                left_out[MIDDLE + j] += lt, right_out[MIDDLE + j] += rt;
                left_out[MIDDLE - 1 - j] += lu, right_out[MIDDLE - 1 - j] += ru;
            }
        }
    }
}

// dsp/noise.py and dsp/filters.py: white noise by a hash, six low-passes to make it pink, and a band-pass whose
// coefficients move in every frame, voices side by side. `keys` has two numbers a voice, `state` nine.
extern "C" void winds(int voices, int steps, std::uint32_t start, const std::uint32_t* keys, const double* poles,
                      const double* gains, double direct, double delayed, double* state, const double* cutoff,
                      double q, float* out, int frames) {
    for (int step = 0; step < steps; ++step)
        for (int lane = 0; lane < voices; ++lane) {
            float white[FRAMES];
            for (int i = 0; i < FRAMES; ++i) {
                std::uint32_t z = (start + step * FRAMES + i) ^ keys[2 * lane];
                z = (z ^ (z >> 16)) * 0x21F0AAADu, z = (z ^ (z >> 15)) * 0x735A2D97u;
                z = (z ^ (z >> 15)) + keys[2 * lane + 1];
                z = (z ^ (z >> 16)) * 0x21F0AAADu, z = (z ^ (z >> 15)) * 0x735A2D97u;
                white[i] = float(std::int32_t(z ^ (z >> 15))) * 4.656612873077393e-10f;
            }
            double band[FRAMES], cross[FRAMES], low[FRAMES];
            const double from = cutoff[step * voices + lane];
            const double move = (cutoff[(step + 1) * voices + lane] - from) / FRAMES;
            for (int i = 0; i < FRAMES; ++i) {
                const double f = from + i * move, ff = f * f;
                const double polynomial = 3.141592538887844 + ff * (-2.230923205449836 + ff * (-0.5397477255777895 +
                                          ff * (-0.20339279065275429 - ff * 0.12039680178058998)));
                const double top = f * polynomial, bottom = 1.0 - 4.0 * ff;
                const double twice = 2.0 * q / (q * (bottom * bottom + top * top) + top * bottom);
                band[i] = twice * bottom * bottom - 1.0, cross[i] = twice * bottom * top, low[i] = twice * top * top;
            }
            double s[9];
            std::copy(state + 9 * lane, state + 9 * lane + 9, s);
            float* sound = out + lane * frames + step * FRAMES;
            for (int i = 0; i < FRAMES; ++i) {
                const double x = white[i];
                double pink = direct * x + delayed * s[6];
                for (int k = 0; k < 6; ++k) s[k] = poles[k] * s[k] + gains[k] * x, pink += s[k];
                s[6] = x;
                const double rest = pink - s[8];
                const double first = cross[i] * rest + band[i] * s[7];
                s[8] = low[i] * rest + (s[8] + cross[i] * s[7]);
                sound[i] = float(0.5 / q * (s[7] + first));
                s[7] = first;
            }
            std::copy(s, s + 9, state + 9 * lane);
        }
}
