/*
 * What a sketch says and understands on its serial line, in plain C without Arduino.
 *
 * One request per line. A line of numbers is a sample; everything else starts with a word:
 *
 *     1.07,25.1            one sample, its columns; an empty column or `nan` is a missing value. Answered for people
 *                          and Arduino's Serial Plotter: `# 3 of 100 samples`, or the forecast as numbers and commas
 *     sample 1.07,25.1;1.069,25.2     one or more samples; all of them are taken, or none
 *     predict              run the model on the samples so far; `integers` and `forecast` read what came out
 *     integers 0           eight of the network's integers, from that one on
 *     forecast 0           eight numbers of the forecast, from that one on, in the target's unit
 *     reset, reset 17      forget all samples; the digest starts from 0 or from that number, up to 99999: a board
 *                          that lost power since is told from one that did not
 *     state                how many samples there are, and their digest
 *     selftest             run the stored windows and compare to the last bit; forgets all samples
 *     info, help           what this is; these words
 *
 * Every answer but those to a line of numbers ends in ` *` and the CRC-32 (that of zlib) of all characters before it,
 * as eight hexadecimal digits. A request may end so, too, and must when it starts with a tag, as in
 * `@17 predict *1B6F8A2C`: its answer then starts with the same tag. A line that is too long, damaged or wrong is
 * answered with `error: ...` and changes nothing; an empty one is not answered. The digest is the CRC-32 of all samples
 * since the last reset, as little-endian float32: an answer with the right digest is about the samples that were meant.
 * `boot` in an answer is the CRC-32 of the first request with a tag since power came; tags differ, so another `boot`
 * means that power was lost, whether or not there were samples to lose. After a self-test that failed, samples are
 * taken, and forecasts are refused.
 */
#ifndef EDGEKD_PROTOCOL_H
#define EDGEKD_PROTOCOL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define EDGEKD_PROTOCOL_VERSION 2
#define EDGEKD_LINE_CHARS 256 /* the longest line with its end, in or out, but for forecasts as numbers and commas */
#define EDGEKD_VALUES_PER_LINE 8u

/* Windows with what edgekd computed for them; all in flash. */
typedef struct {
    uint32_t windows;
    const float *samples;    /* [windows][window][inputs] */
    const int16_t *integers; /* [windows][outputs] */
    const float *forecasts;  /* [windows][outputs] */
} edgekd_vectors;

/* A model as the protocol sees it. */
typedef struct {
    const char *about; /* name=... candidate=... version=... sha256=... */
    uint32_t inputs;   /* F */
    uint32_t outputs;  /* O */
    uint32_t window;   /* T */
    void (*reset)(void);
    void (*push)(const float *sample);
    int (*predict)(float *forecast);      /* float[O]; 0 and nothing written while there are too few samples */
    void (*integers)(int32_t *integers);  /* int32_t[O] of the same samples; after predict() only */
    const edgekd_vectors *vectors;
} edgekd_model;

/* The board as the protocol sees it. */
typedef struct {
    const char *board;
    const char *clock_name; /* what `clock` counts: cycles or us */
    uint32_t (*clock)(void);
    uint32_t (*milliseconds)(void);
    void (*print)(const char *text);
} edgekd_port;

typedef struct {
    const edgekd_model *model;
    const edgekd_port *port;
    float *sample;     /* float[F] */
    float *forecast;   /* float[O] */
    int32_t *integers; /* int32_t[O] */
    uint32_t samples;  /* accepted since the last reset */
    uint32_t digest;
    uint32_t clocks;   /* of the last prediction */
    uint32_t boot;     /* 0 before the first request with a tag, then of that request */
    uint32_t length;
    uint8_t predicted; /* whether forecast and integers belong to the samples so far */
    uint8_t failed;    /* whether the last self-test found a difference: then there are no forecasts */
    uint8_t damaged;   /* whether the line so far has a character that is no text */
    char line[EDGEKD_LINE_CHARS];
} edgekd_session;

/** Start with no samples. The memory is the caller's; the sizes are above. */
void edgekd_session_begin(edgekd_session *session, const edgekd_model *model, const edgekd_port *port, float *sample,
                          float *forecast, int32_t *integers);

/** Print the line that says what this is, as `info` does. */
void edgekd_session_announce(edgekd_session *session);

/** Take one character; at the end of a line, answer it. Returns 1 then, else 0. */
int edgekd_session_take(edgekd_session *session, char c);

/** Take one sample, float[F], that did not come over the line. */
void edgekd_session_push(edgekd_session *session, const float *sample);

/** Run the model, unless it has run on these samples already. Returns 0 while there are too few samples, and after a
 * self-test that failed. */
int edgekd_session_predict(edgekd_session *session);

/** Print the forecast as numbers and commas. After edgekd_session_predict() only. */
void edgekd_session_print_forecast(edgekd_session *session);

/**
 * Compare all stored windows, from raw samples to integers and forecast, to the last bit; forgets all samples.
 * Returns 1 when all are equal. `message`, char[EDGEKD_LINE_CHARS], says so or names the first difference.
 */
int edgekd_session_self_test(edgekd_session *session, char *message);

/** Print a line of at most EDGEKD_LINE_CHARS - 1 characters, with its checksum. */
void edgekd_session_say(const edgekd_session *session, const char *text);

/** Print `error: ` and what is wrong. */
void edgekd_session_error(const edgekd_session *session, const char *what);

/** CRC-32 of zlib: start with 0, go on with what was returned. */
uint32_t edgekd_crc32(uint32_t crc, const void *data, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
