/*
 * The protocol on a model that anyone can compute: the forecast is the sum of the last three samples' columns and its
 * double; the network's integers are the number of samples and its negative. With a seed, random and mutated lines are
 * fed, and after each the state must be what it was unless the answer is not an error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "edgekd_crc32.h"
#include "edgekd_protocol.h"
#include "edgekd_text.h"

#define INPUTS 2u
#define OUTPUTS 10u
#define WINDOW 3u
#define SEEDS 24

static float last[WINDOW][INPUTS];
static uint32_t pushed;
static uint32_t now;
static char printed[4096];
static uint32_t printed_chars;
static int to_stdout = 1;
static int forecasts, times_integers;

static void reset(void) { pushed = 0; }

static void push(const float *sample) {
    memcpy(last[pushed % WINDOW], sample, sizeof last[0]);
    pushed++;
}

static int predict(float *forecast) {
    uint32_t i;
    if (pushed < WINDOW) {
        return 0;
    }
    for (i = 0; i < OUTPUTS; i++) {
        forecast[i] = (float)i + last[0][0] + last[1][0] + last[2][0];
    }
    now += 1234;
    forecasts++;
    return 1;
}

static void integers(int32_t *to) {
    uint32_t i;
    times_integers++;
    for (i = 0; i < OUTPUTS; i++) {
        to[i] = (int32_t)pushed * (i % 2u ? -1 : 1);
    }
}

static const float samples[1][WINDOW][INPUTS] = {{{1, 9}, {2, 9}, {3, 9}}};
static int16_t expected_integers[1][OUTPUTS] = {{3, -3, 3, -3, 3, -3, 3, -3, 3, -3}};
static const float expected[1][OUTPUTS] = {{6, 7, 8, 9, 10, 11, 12, 13, 14, 15}};
static const edgekd_vectors vectors = {1, &samples[0][0][0], &expected_integers[0][0], &expected[0][0]};

static const edgekd_model model = {"name=probe", INPUTS, OUTPUTS, WINDOW, reset, push, predict, integers, &vectors};

static uint32_t read_clock(void) { return now; }

static uint32_t milliseconds(void) { return 42; }

static void write_text(const char *text, uint32_t chars) {
    if (to_stdout) {
        fwrite(text, 1, chars, stdout);
    }
    for (; chars > 0; chars--, text++) {
        if (printed_chars + 1u < sizeof printed) {
            printed[printed_chars++] = *text;
        }
    }
    printed[printed_chars] = '\0';
}

static const edgekd_port port = {"host", "us", read_clock, milliseconds, write_text};

static float sample[INPUTS];
static float forecast[OUTPUTS];
static int32_t network_output[OUTPUTS];
static edgekd_session session;

/* ---- fuzzing ---- */

static uint32_t state = 1;

static uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state % below;
}

static const char *const lines[SEEDS] = {
    "1.07,25.1", "nan,1", ",", "-1e-3,+4E5", "1,2;3,4", "sample 1,2", "sample 1,2;3,4;5,6", "sample nan,;,nan", "predict",
    "integers 0", "integers 9", "forecast 0", "forecast 8", "reset", "reset 42", "info", "help", "selftest", "",
    "@17 sample 1,2", "@1 predict", "@999999999 forecast 3", "@2 reset", "@3 state",
};

static uint32_t make_line(char *line) {
    uint32_t length, changes;
    char *end;
    if (draw(8) == 0) { /* anything at all */
        length = draw(draw(4) == 0 ? 400 : 40);
        for (uint32_t i = 0; i < length; i++) {
            line[i] = (char)draw(256);
        }
        return length;
    }
    end = edgekd_put_text(line, lines[draw(SEEDS)]);
    if (draw(2) == 0) {
        const uint32_t checksum = edgekd_crc32(0, line, (uint32_t)(end - line));
        end = edgekd_put_hex(edgekd_put_text(end, " *"), checksum);
    }
    length = (uint32_t)(end - line);
    for (changes = draw(4); changes > 0 && length > 0; changes--) {
        const uint32_t at = draw(length);
        switch (draw(4)) {
        case 0:
            line[at] = (char)draw(256);
            break;
        case 1: /* cut out */
            memmove(line + at, line + at + 1, length - at - 1u);
            length--;
            break;
        case 2: /* say twice */
            memmove(line + at + 1, line + at, length - at);
            length++;
            break;
        default: /* take a piece of another place */
            memmove(line + at, line + draw(length), length - at < 6u ? 0u : 3u);
        }
    }
    return length;
}

/* What a line may not change unless it is right. */
typedef struct {
    uint32_t pushed, samples, digest;
    float last[WINDOW][INPUTS];
    int32_t network_output[OUTPUTS];
    float forecast[OUTPUTS];
} snapshot;

static snapshot take_snapshot(void) {
    snapshot s;
    memset(&s, 0, sizeof s);
    s.pushed = pushed;
    s.samples = session.samples;
    s.digest = session.digest;
    memcpy(s.last, last, sizeof last);
    memcpy(s.network_output, network_output, sizeof network_output);
    memcpy(s.forecast, forecast, sizeof forecast);
    return s;
}

static int fuzz(uint32_t seed, long count) {
    long errors = 0;
    state = seed * 2654435761u + 1u;
    to_stdout = 0;
    for (long n = 0; n < count; n++) {
        char line[1024];
        const uint32_t length = make_line(line);
        snapshot before = take_snapshot();
        snapshot after;
        uint32_t i;
        for (i = 0; i <= length; i++) {
            const char c = i < length ? line[i] : '\n';
            printed_chars = 0;
            printed[0] = '\0';
            if (!edgekd_session_take(&session, c)) {
                continue;
            }
            after = take_snapshot();
            if (strstr(printed, "error: ") != NULL) {
                errors++;
                if (memcmp(&before, &after, sizeof before) != 0) {
                    printf("line %ld changed the state and was answered with %s", n, printed);
                    return 1;
                }
            }
            if (after.pushed != after.samples || (printed_chars > 0 && printed[printed_chars - 1u] != '\n')) {
                printf("line %ld: %u samples of %u, answer %s", n, after.samples, after.pushed, printed);
                return 1;
            }
            before = after;
        }
    }
    printf("%ld lines, %ld answered with an error\n", count, errors);
    return 0;
}

int main(int argc, char **argv) {
    int c;
    edgekd_session_begin(&session, &model, &port, sample, forecast, network_output);
    if (argc == 3) {
        return fuzz((uint32_t)atol(argv[1]), atol(argv[2]));
    }
    if (argc == 2) { /* a stored window that is wrong */
        expected_integers[0][1]--;
    }
    edgekd_session_announce(&session);
    while ((c = getchar()) != EOF) {
        (void)edgekd_session_take(&session, (char)c);
    }
    if (argc == 4) {
        fprintf(stderr, "%d forecasts, %d times integers\n", forecasts, times_integers);
    }
    return 0;
}
