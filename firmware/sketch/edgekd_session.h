/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model on a board: samples go in, its forecast comes out, and stored windows prove that it is what edgekd computed.
 * What is asked over a line, and how it is answered, is in edgekd_protocol.h.
 */
#ifndef EDGEKD_SESSION_H
#define EDGEKD_SESSION_H

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
    void (*write)(const char *text, uint32_t chars); /* part of a line, or all of it: the last part ends in LF */
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
    uint8_t predicted;      /* whether the forecast belongs to the samples so far */
    uint8_t integers_known; /* whether the integers do */
    uint8_t failed;    /* whether the last self-test found a difference: then there are no forecasts */
    uint8_t damaged;   /* whether the line so far has a character that is no text */
    uint8_t returned;  /* whether the last line ended in CR: the LF that may follow is part of its end */
    char line[EDGEKD_LINE_CHARS];
} edgekd_session;

/** Start with no samples. The memory is the caller's; the sizes are above. */
void edgekd_session_begin(edgekd_session *session, const edgekd_model *model, const edgekd_port *port, float *sample,
                          float *forecast, int32_t *integers);

/** Print the line that says what this is, as `info` does. */
void edgekd_session_announce(edgekd_session *session);

/** Take one sample, float[F], that did not come over the line. */
void edgekd_session_push(edgekd_session *session, const float *sample);

/** Run the model, unless it has run on these samples already. Returns 0 while there are too few samples, and after a
 * self-test that failed. */
int edgekd_session_predict(edgekd_session *session);

/** The network's integers of the same samples, int32_t[O]: the model runs again. After edgekd_session_predict(). */
const int32_t *edgekd_session_integers(edgekd_session *session);

/** Forget all samples. */
void edgekd_session_forget(edgekd_session *session);

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

/* ---- lines of answers; `tag` is empty, or that of the request ---- */

/** Print a line that has room for its checksum and its end, 12 characters. */
void edgekd_session_print_checked(const edgekd_session *session, char *line);

void edgekd_session_print_error(const edgekd_session *session, const char *tag, const char *what);

void edgekd_session_print_about(const edgekd_session *session, const char *tag);

#ifdef __cplusplus
}
#endif

#endif
