/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_session.h"

#include <string.h>

#include "edgekd_crc32.h"
#include "edgekd_text.h"

static uint32_t length_of(const char *text) {
    uint32_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

/* ---- lines ---- */

static void write_text(const edgekd_session *session, const char *from, const char *to) {
    session->port->write(from, (uint32_t)(to - from));
}

void edgekd_session_print_checked(const edgekd_session *session, char *line) {
    const uint32_t length = length_of(line);
    char *to = edgekd_put_text(line + length, " *");
    to = edgekd_put_hex(to, edgekd_crc32(0, line, length));
    to = edgekd_put_text(to, "\r\n");
    write_text(session, line, to);
}

void edgekd_session_print_error(const edgekd_session *session, const char *tag, const char *what) {
    char line[EDGEKD_LINE_CHARS + 32];
    char *to = edgekd_put_text(line, tag);
    to = edgekd_put_text(to, "error: ");
    edgekd_put_text(to, what);
    edgekd_session_print_checked(session, line);
}

void edgekd_session_error(const edgekd_session *session, const char *what) {
    edgekd_session_print_error(session, "", what);
}

void edgekd_session_say(const edgekd_session *session, const char *text) {
    char line[EDGEKD_LINE_CHARS + 16];
    edgekd_put_text(line, text);
    edgekd_session_print_checked(session, line);
}

void edgekd_session_print_about(const edgekd_session *session, const char *tag) {
    char line[EDGEKD_LINE_CHARS + 128];
    char *to = edgekd_put_text(line, tag);
    to = edgekd_put_pair(to, "edgekd protocol=", EDGEKD_PROTOCOL_VERSION);
    to = edgekd_put_text(to, " ");
    to = edgekd_put_text(to, session->model->about);
    to = edgekd_put_text(to, " board=");
    to = edgekd_put_text(to, session->port->board);
    to = edgekd_put_pair(to, " inputs=", session->model->inputs);
    to = edgekd_put_pair(to, " outputs=", session->model->outputs);
    to = edgekd_put_pair(to, " window=", session->model->window);
    edgekd_put_text(to, session->failed ? " selftest=FAIL" : " selftest=PASS");
    edgekd_session_print_checked(session, line);
}

void edgekd_session_announce(edgekd_session *session) { edgekd_session_print_about(session, ""); }

/* ---- the model ---- */

void edgekd_session_forget(edgekd_session *session) {
    session->samples = 0;
    session->digest = 0;
    session->predicted = 0;
    session->integers_known = 0;
    session->model->reset();
}

void edgekd_session_begin(edgekd_session *session, const edgekd_model *model, const edgekd_port *port, float *sample,
                          float *forecast, int32_t *integers) {
    memset(session, 0, sizeof *session);
    session->model = model;
    session->port = port;
    session->sample = sample;
    session->forecast = forecast;
    session->integers = integers;
    edgekd_session_forget(session);
}

void edgekd_session_push(edgekd_session *session, const float *sample) {
    uint32_t f;
    for (f = 0; f < session->model->inputs; f++) {
        uint32_t bits, byte;
        uint8_t bytes[4];
        memcpy(&bits, &sample[f], sizeof bits);
        for (byte = 0; byte < 4u; byte++) {
            bytes[byte] = (uint8_t)(bits >> (8u * byte));
        }
        session->digest = edgekd_crc32(session->digest, bytes, sizeof bytes);
    }
    session->samples++;
    session->predicted = 0;
    session->integers_known = 0;
    session->model->push(sample);
}

int edgekd_session_predict(edgekd_session *session) {
    if (session->failed) {
        return 0;
    }
    if (!session->predicted) {
        const uint32_t begun = session->port->clock();
        if (!session->model->predict(session->forecast)) {
            return 0;
        }
        session->clocks = session->port->clock() - begun;
        session->predicted = 1;
    }
    return 1;
}

const int32_t *edgekd_session_integers(edgekd_session *session) {
    if (!session->integers_known) {
        session->model->integers(session->integers);
        session->integers_known = 1;
    }
    return session->integers;
}

void edgekd_session_print_forecast(edgekd_session *session) {
    char line[EDGEKD_LINE_CHARS];
    char *to = line;
    uint32_t i;
    for (i = 0; i < session->model->outputs; i++) {
        if (to > line + sizeof line - EDGEKD_FLOAT_CHARS - 2) {
            write_text(session, line, to);
            to = line;
        }
        to = edgekd_put_float(to, session->forecast[i]);
        *to++ = ',';
    }
    to[-1] = '\r';
    *to++ = '\n';
    write_text(session, line, to);
}

/* ---- self-test ---- */

static char *put_place(char *to, uint32_t test, uint32_t output, const char *what) {
    to = edgekd_put_pair(to, "self-test FAIL: window ", test);
    to = edgekd_put_pair(to, ", output ", output);
    to = edgekd_put_text(to, ": ");
    return edgekd_put_text(to, what);
}

/* Returns 1 when one output is what it was, else 0 and the message. */
static int same(edgekd_session *session, uint32_t test, uint32_t output, char *message) {
    const uint32_t at = test * session->model->outputs + output;
    const int32_t expected = session->model->vectors->integers[at];
    const int32_t integer = edgekd_session_integers(session)[output];
    const float forecast = session->model->vectors->forecasts[at];
    char *to;
    if (integer != expected) {
        to = put_place(message, test, output, "integer ");
        to = edgekd_put_text(edgekd_put_integer(to, integer), ", expected ");
        edgekd_put_integer(to, expected);
        return 0;
    }
    if (!(session->forecast[output] == forecast)) {
        to = put_place(message, test, output, "forecast ");
        to = edgekd_put_text(edgekd_put_float(to, session->forecast[output]), ", expected ");
        edgekd_put_float(to, forecast);
        return 0;
    }
    return 1;
}

static int same_window(edgekd_session *session, uint32_t test, char *message) {
    const edgekd_model *model = session->model;
    const float *sample = model->vectors->samples + test * model->window * model->inputs;
    uint32_t i;
    edgekd_session_forget(session);
    for (i = 0; i < model->window; i++) {
        edgekd_session_push(session, sample + i * model->inputs);
    }
    if (!edgekd_session_predict(session)) {
        put_place(message, test, 0, "no forecast after a whole window");
        return 0;
    }
    for (i = 0; i < model->outputs; i++) {
        if (!same(session, test, i, message)) {
            return 0;
        }
    }
    return 1;
}

int edgekd_session_self_test(edgekd_session *session, char *message) {
    const uint32_t windows = session->model->vectors->windows;
    int good = 1;
    uint32_t test;
    char *to;
    session->failed = 0;
    for (test = 0; test < windows && good; test++) {
        good = same_window(session, test, message);
    }
    edgekd_session_forget(session);
    session->failed = (uint8_t)!good;
    if (good) {
        to = edgekd_put_pair(message, "self-test PASS: ", windows);
        to = edgekd_put_text(to, windows > 1u ? " windows, " : " window, ");
        to = edgekd_put_unsigned(to, session->model->outputs);
        edgekd_put_text(to, " outputs each, equal to edgekd's");
    }
    return good;
}
