// The loops of resonance's saws, sines and winds as C++ would have them: what benchmarks/floor.py holds the kernels
// against. The same tables, arithmetic and steps of 64 frames; layouts as in resonance/dsp.

#include <algorithm>
#include <cmath>
#include <cstdint>

constexpr int FRAMES = 64, TAPS = 32, PLACES = 256;

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

// dsp/partials.py: sines, those that hardly glide.
static inline float cosine(float turn) {
    const float x = 0.25f - std::fabs(turn), xx = x * x;
    return x * (6.283185160088966f + xx * (-41.34165503128523f + xx * (81.60100406446475f +
           xx * (-76.54978207924569f + xx * 39.536704351728005f))));
}

extern "C" void sines(int voices, int steps, double* phase, const double* cycles, const float* left,
                      const float* right, float* out, int frames) {
    const float middle = 0.5f * (FRAMES - 1);
    for (int step = 0; step < steps; ++step) {
        float drawn[2][FRAMES] = {};
        for (int i = 0; i < voices; ++i) {
            const int here = step * voices + i, there = here + voices;
            const double slow = cycles[here], curve = (cycles[there] - slow) * (0.5 / FRAMES);
            const double pitch = slow + 2.0 * middle * curve, eight = 8.0 * pitch;
            const double centre = phase[i] + middle * (slow + middle * curve) - 0.25;
            double on = centre - 4.0 * pitch, off = centre + 4.0 * pitch;
            on -= std::rint(on), off -= std::rint(off);
            const float turn = float(pitch), before = float(on), after = float(off);
            const float twice = 2.0f * cosine(float(eight - std::rint(eight)));
            float level[2], rise[2];
            const float* sides[2] = {left, right};
            for (int side = 0; side < 2; ++side) {
                rise[side] = (sides[side][there] - sides[side][here]) / FRAMES;
                level[side] = sides[side][here] + middle * rise[side];
            }
            for (int k = 0; k < 8; ++k) {
                const float t = float(k) - 3.5f;
                float v[8];
                v[3] = cosine((t * turn - std::rint(before + t * turn)) + before);
                v[4] = cosine((t * turn - std::rint(after + t * turn)) + after);
                for (int far = 1; far < 4; ++far) {
                    v[3 - far] = twice * v[4 - far] - v[5 - far];
                    v[4 + far] = twice * v[3 + far] - v[2 + far];
                }
                for (int side = 0; side < 2; ++side)
                    for (int eighth = 0; eighth < 8; ++eighth)
                        drawn[side][8 * eighth + k] +=
                            v[eighth] * (level[side] + rise[side] * (8.0f * eighth - 28.0f + t));
            }
            const double end = phase[i] + 0.5 * FRAMES * (slow + cycles[there]);
            phase[i] = end - std::floor(end);
        }
        for (int side = 0; side < 2; ++side)
            for (int k = 0; k < FRAMES; ++k) out[side * frames + step * FRAMES + k] += drawn[side][k];
    }
}

// dsp/noise.py and dsp/filters.py: white noise that is hashed once a step, six low-passes to make it pink, and a
// band-pass whose coefficients move in straight lines; sixteen voices side by side. `held` has seven rows of voices,
// `state` two.
constexpr int LANES = 16;

static std::uint64_t scrambled(std::uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u, z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

extern "C" void winds(int steps, int start, const std::uint64_t* keys, const float* poles,
                      const float* gains, double direct, double delayed, float* held, double* state,
                      const double* cutoff, double q, float* out, int frames) {
    const float now = float(direct), late = float(delayed);
    double line[2][4][LANES];
    for (int row = 0; row <= steps; ++row) {
        for (int k = 0; k < LANES; ++k) {
            const double f = cutoff[row * LANES + k], ff = f * f;
            const double polynomial = 3.141592538887844 + ff * (-2.230923205449836 + ff * (-0.5397477255777895 +
                                      ff * (-0.20339279065275429 - ff * 0.12039680178058998)));
            const double top = f * polynomial, bottom = 1.0 - 4.0 * ff;
            const double under = q * (bottom * bottom + top * top) + top * bottom, once = 1.0 / (q * under);
            const double twice = 2.0 * q * q * once;
            const double then[4] = {twice * bottom * bottom - 1.0, twice * bottom * top, twice * top * top,
                                    0.5 * under * once};
            for (int n = 0; n < 4; ++n) {
                line[0][n][k] = row > 0 ? line[1][n][k] : then[n];
                line[1][n][k] = then[n];
            }
        }
        if (row == 0) continue;
        float turned[FRAMES][LANES], before[7][LANES];
        double keep[LANES], cross[LANES], fall[LANES], loud[LANES], move[4][LANES], first[LANES], second[LANES];
        std::copy(held, held + 7 * LANES, before[0]);
        std::copy(state, state + LANES, first), std::copy(state + LANES, state + 2 * LANES, second);
        for (int k = 0; k < LANES; ++k) {
            keep[k] = line[0][0][k], cross[k] = line[0][1][k], fall[k] = line[0][2][k], loud[k] = line[0][3][k];
            for (int n = 0; n < 4; ++n) move[n][k] = (line[1][n][k] - line[0][n][k]) / FRAMES;
        }
        std::uint32_t number[LANES];
        for (int k = 0; k < LANES; ++k)
            number[k] = std::uint32_t(scrambled(keys[k] + std::uint64_t(start + (row - 1) * FRAMES)) >> 32);
        for (int i = 0; i < FRAMES; ++i)
            for (int k = 0; k < LANES; ++k) {
                const float white = float(std::int32_t(number[k]));
                number[k] = number[k] * 0xADB4A92Du + 0x9E3779B9u;
                float pink = white + late * before[6][k];
                for (int n = 0; n < 6; ++n) {
                    before[n][k] = poles[n] * before[n][k] + white;
                    pink += gains[n] * before[n][k];
                }
                before[6][k] = white;
                turned[i][k] = now * pink;
            }
        for (int i = 0; i < FRAMES; ++i)
            for (int k = 0; k < LANES; ++k) {
                const double rest = turned[i][k] - second[k];
                const double band = cross[k] * rest + keep[k] * first[k];
                second[k] = fall[k] * rest + (second[k] + cross[k] * first[k]);
                turned[i][k] = float(loud[k] * (first[k] + band));
                first[k] = band;
                keep[k] += move[0][k], cross[k] += move[1][k], fall[k] += move[2][k], loud[k] += move[3][k];
            }
        for (int k = 0; k < LANES; ++k)
            for (int i = 0; i < FRAMES; ++i) out[k * frames + (row - 1) * FRAMES + i] = turned[i][k];
        std::copy(before[0], before[0] + 7 * LANES, held);
        std::copy(first, first + LANES, state), std::copy(second, second + LANES, state + LANES);
    }
}
