/* SPDX-License-Identifier: Apache-2.0 */
#include "edgekd_protocol.h"

#include <string.h>

#include "edgekd_crc32.h"
#include "edgekd_text.h"

#define CHECKSUM_CHARS 10u /* a space, the star and eight digits */
#define TAG_DIGITS 9u

/* One line's request. `tag` is empty, or `@17 ` with its NUL. */
typedef struct {
    char tag[TAG_DIGITS + 3u];
    const char *text;
} request;

static uint32_t length_of(const char *text) {
    uint32_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

/* How many samples, and which. */
static char *put_state(char *to, const edgekd_session *session) {
    to = edgekd_put_pair(to, " samples=", session->samples);
    to = edgekd_put_text(to, " digest=");
    return edgekd_put_hex(to, session->digest);
}

static void print_ok(const edgekd_session *session, const char *tag) {
    char line[EDGEKD_LINE_CHARS];
    char *to = edgekd_put_text(line, tag);
    to = put_state(edgekd_put_text(to, "ok"), session);
    to = edgekd_put_hex(edgekd_put_text(to, " boot="), session->boot);
    edgekd_put_pair(to, " ms=", session->port->milliseconds());
    edgekd_session_print_checked(session, line);
}

/* ---- requests ---- */

static int is_infinite(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7FFFFFFFu) == 0x7F800000u;
}

/* The samples of a request, `;` between them. With `take`, they are pushed. Returns 0 after an error. */
static int read_samples(edgekd_session *session, const request *r, int take) {
    const uint32_t count = session->model->inputs;
    const char *at = r->text;
    uint32_t f;
    for (;;) {
        for (f = 0; f < count; f++) {
            const char *end = edgekd_read_float(at, &session->sample[f]);
            const int last = f + 1u == count;
            if (*end != (last ? '\0' : ',') && !(last && *end == ';')) {
                char what[EDGEKD_LINE_CHARS];
                char *to = edgekd_put_pair(what, "column ", f + 1u);
                to = edgekd_put_text(to, " of this line is not followed by ");
                to = edgekd_put_text(to, last ? "the end of the line" : "a comma");
                edgekd_put_pair(to, "; columns expected: ", count);
                edgekd_session_print_error(session, r->tag, what);
                return 0;
            }
            if (is_infinite(session->sample[f])) {
                char what[EDGEKD_LINE_CHARS];
                char *to = edgekd_put_pair(what, "column ", f + 1u);
                edgekd_put_text(to, " of this line is out of range, 3.4e38 either way");
                edgekd_session_print_error(session, r->tag, what);
                return 0;
            }
            at = end + 1;
        }
        if (take) {
            edgekd_session_push(session, session->sample);
        }
        if (at[-1] == '\0') {
            return 1;
        }
    }
}

static void answer_sample(edgekd_session *session, const request *r) {
    if (read_samples(session, r, 0)) {
        (void)read_samples(session, r, 1);
        print_ok(session, r->tag);
    }
}

static int refused(const edgekd_session *session, const request *r) {
    if (session->failed) {
        edgekd_session_print_error(session, r->tag,
                                   "the self-test has failed, so there are no forecasts: selftest says where");
    }
    return session->failed;
}

static void answer_numbers(edgekd_session *session, const request *r) {
    char line[64];
    char *to;
    if (refused(session, r) || !read_samples(session, r, 0)) {
        return;
    }
    (void)read_samples(session, r, 1);
    if (edgekd_session_predict(session)) {
        edgekd_session_print_forecast(session);
        return;
    }
    to = edgekd_put_pair(line, "# ", session->samples);
    to = edgekd_put_pair(to, " of ", session->model->window);
    to = edgekd_put_text(to, " samples\r\n");
    session->port->write(line, (uint32_t)(to - line));
}

static int predicted(edgekd_session *session, const request *r) {
    if (refused(session, r)) {
        return 0;
    }
    if (!edgekd_session_predict(session)) {
        char what[64];
        char *to = edgekd_put_pair(what, "too few samples: ", session->samples);
        edgekd_put_pair(to, " of ", session->model->window);
        edgekd_session_print_error(session, r->tag, what);
        return 0;
    }
    return 1;
}

static void answer_predict(edgekd_session *session, const request *r) {
    char line[EDGEKD_LINE_CHARS];
    char *to;
    if (!predicted(session, r)) {
        return;
    }
    to = put_state(edgekd_put_text(edgekd_put_text(line, r->tag), "predicted"), session);
    to = edgekd_put_text(edgekd_put_text(to, " "), session->port->clock_name);
    edgekd_put_pair(to, "=", session->clocks);
    edgekd_session_print_checked(session, line);
}

/* The number of an output at `text`, which ends there. */
static int read_index(const char *text, uint32_t limit, uint32_t *index) {
    const char *at = text;
    *index = 0;
    for (; *at >= '0' && *at <= '9' && at - text < 6; at++) {
        *index = 10u * *index + (uint32_t)(*at - '0');
    }
    return at != text && *at == '\0' && *index < limit;
}

static void answer_values(edgekd_session *session, const request *r, const char *word, int integers) {
    char line[EDGEKD_LINE_CHARS];
    char *to;
    uint32_t first, i;
    if (!read_index(r->text, session->model->outputs, &first)) {
        char what[EDGEKD_LINE_CHARS];
        edgekd_put_pair(what, "the number of an output is expected, from 0 to ", session->model->outputs - 1u);
        edgekd_session_print_error(session, r->tag, what);
        return;
    }
    if (!predicted(session, r)) {
        return;
    }
    to = put_state(edgekd_put_text(edgekd_put_text(line, r->tag), word), session);
    to = edgekd_put_pair(to, " from=", first);
    to = edgekd_put_text(to, " values=");
    for (i = first; i < session->model->outputs && i < first + EDGEKD_VALUES_PER_LINE; i++) {
        to = i > first ? edgekd_put_text(to, ",") : to;
        to = integers ? edgekd_put_integer(to, edgekd_session_integers(session)[i])
                      : edgekd_put_float(to, session->forecast[i]);
    }
    edgekd_session_print_checked(session, line);
}

static void answer_integers(edgekd_session *session, const request *r) { answer_values(session, r, "integers", 1); }

static void answer_forecast(edgekd_session *session, const request *r) { answer_values(session, r, "forecast", 0); }

static void answer_reset(edgekd_session *session, const request *r) {
    uint32_t start = 0;
    if (r->text[0] != '\0' && !read_index(r->text, 100000u, &start)) {
        edgekd_session_print_error(session, r->tag, "reset takes a number of up to 99999");
        return;
    }
    edgekd_session_forget(session);
    session->digest = start;
    print_ok(session, r->tag);
}

static void answer_state(edgekd_session *session, const request *r) { print_ok(session, r->tag); }

static void answer_info(edgekd_session *session, const request *r) { edgekd_session_print_about(session, r->tag); }

static void answer_self_test(edgekd_session *session, const request *r) {
    char message[EDGEKD_LINE_CHARS];
    char line[EDGEKD_LINE_CHARS + 32];
    if (!edgekd_session_self_test(session, message)) {
        edgekd_session_print_error(session, r->tag, message);
        return;
    }
    edgekd_put_text(edgekd_put_text(line, r->tag), message);
    edgekd_session_print_checked(session, line);
}

static void answer_help(edgekd_session *session, const request *r) {
    char line[EDGEKD_LINE_CHARS];
    char *to = edgekd_put_text(line, r->tag);
    edgekd_put_text(to, "one sample per line, or: sample predict integers forecast reset state selftest info help");
    edgekd_session_print_checked(session, line);
}

/* Whether something follows the word. */
enum argument { no_argument, argument, optional_argument };

typedef struct {
    const char *word;
    enum argument takes;
    void (*answer)(edgekd_session *session, const request *r);
} verb;

static const verb verbs[] = {
    {"sample", argument, answer_sample},
    {"predict", no_argument, answer_predict},
    {"integers", argument, answer_integers},
    {"forecast", argument, answer_forecast},
    {"reset", optional_argument, answer_reset},
    {"state", no_argument, answer_state},
    {"selftest", no_argument, answer_self_test},
    {"info", no_argument, answer_info},
    {"help", no_argument, answer_help},
};

/* What follows `word` at the start of `text`, or NULL. */
static const char *after(const char *text, const verb *one) {
    const uint32_t length = length_of(one->word);
    if (memcmp(text, one->word, length) != 0) { /* lines are longer than every word, and end in NUL before */
        return NULL;
    }
    if (text[length] == '\0') {
        return one->takes == argument ? NULL : text + length;
    }
    return text[length] == ' ' && one->takes != no_argument ? text + length + 1 : NULL;
}

static int lower_case(char c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

/* Whether a line is what people try first. */
static int greets(const char *text) {
    static const char *const words[] = {"help", "hello", "hi", "?"};
    uint32_t w;
    for (w = 0; w < sizeof words / sizeof words[0]; w++) {
        uint32_t i = 0;
        while (words[w][i] != '\0' && words[w][i] == lower_case(text[i])) {
            i++;
        }
        if (words[w][i] == '\0' && text[i] == '\0') {
            return 1;
        }
    }
    return 0;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/*
 * Check and cut off the checksum. Returns 1 when it is right, 0 when there is none, -1 when it is wrong. `*length` is
 * that of the line, and then of what is left.
 */
static int cut_checksum(char *line, uint32_t *length) {
    uint32_t found = 0;
    uint32_t star = *length;
    uint32_t i;
    while (star > 0 && line[star - 1u] != '*') {
        star--;
    }
    if (star == 0) {
        return 0;
    }
    if (*length < CHECKSUM_CHARS || star != *length - 8u || line[star - 2u] != ' ') {
        return -1;
    }
    for (i = star; i < *length; i++) {
        const int digit = hex_digit(line[i]);
        if (digit < 0) {
            return -1;
        }
        found = 16u * found + (uint32_t)digit;
    }
    *length -= CHECKSUM_CHARS;
    line[*length] = '\0';
    return found == edgekd_crc32(0, line, *length) ? 1 : -1;
}

/* Split the tag off. Returns 0 when it is malformed. */
static int cut_tag(request *r) {
    uint32_t digits = 0;
    r->tag[0] = '\0';
    if (r->text[0] != '@') {
        return 1;
    }
    while (digits < TAG_DIGITS && r->text[1u + digits] >= '0' && r->text[1u + digits] <= '9') {
        digits++;
    }
    if (digits == 0 || r->text[1u + digits] != ' ') {
        return 0;
    }
    memcpy(r->tag, r->text, digits + 2u);
    r->tag[digits + 2u] = '\0';
    r->text += digits + 2u;
    return 1;
}

/* The session's line, without its end. */
static void answer(edgekd_session *session, uint32_t length) {
    request r;
    uint32_t v;
    int checked;
    while (length > 0 && session->line[length - 1u] == ' ') {
        length--;
    }
    session->line[length] = '\0';
    checked = cut_checksum(session->line, &length);
    if (checked < 0) {
        edgekd_session_print_error(session, "", "the checksum is wrong");
        return;
    }
    r.text = session->line;
    if (!cut_tag(&r) || (r.tag[0] != '\0' && checked == 0)) {
        edgekd_session_print_error(session, "", "a tag is @ and up to 9 digits, and its line ends in a checksum");
        return;
    }
    if (r.text[0] == '\0') {
        if (checked) {
            edgekd_session_print_error(session, r.tag, "nothing is asked");
        }
        return;
    }
    for (v = 0; v < sizeof verbs / sizeof verbs[0]; v++) {
        const char *rest = after(r.text, &verbs[v]);
        if (rest != NULL) {
            r.text = rest;
            if (session->boot == 0 && r.tag[0] != '\0') {
                session->boot = edgekd_crc32(0, session->line, length);
            }
            verbs[v].answer(session, &r);
            return;
        }
    }
    if (greets(r.text)) {
        answer_help(session, &r);
        return;
    }
    answer_numbers(session, &r);
}

static int is_text(char c) { return (c >= ' ' && c <= '~') || c == '\t'; }

int edgekd_session_take(edgekd_session *session, char c) {
    const uint32_t length = session->length;
    const int rest_of_end = c == '\n' && session->returned;
    session->returned = (uint8_t)(c == '\r');
    if (rest_of_end) {
        return 0;
    }
    if (c != '\n' && c != '\r') {
        session->damaged = (uint8_t)(session->damaged || !is_text(c));
        if (length < EDGEKD_LINE_CHARS) {
            session->line[length] = c;
            session->length = length + 1u;
        }
        return 0;
    }
    session->length = 0;
    if (length >= EDGEKD_LINE_CHARS) {
        edgekd_session_print_error(session, "", "a line is too long");
    } else if (session->damaged) {
        edgekd_session_print_error(session, "", "a character is no text");
    } else {
        answer(session, length);
    }
    session->damaged = 0;
    return 1;
}
