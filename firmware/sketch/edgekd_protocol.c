#include "edgekd_protocol.h"

#include <string.h>

#include "edgekd_text.h"

#define CHECKSUM_CHARS 10u /* a space, the star and eight digits */
#define TAG_DIGITS 9u

/* One line's request. `tag` is empty, or `@17 ` with its NUL. */
typedef struct {
    char tag[TAG_DIGITS + 3u];
    const char *text;
} request;

uint32_t edgekd_crc32(uint32_t crc, const void *data, uint32_t bytes) {
    static const uint32_t table[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu,
    };
    const uint8_t *at = (const uint8_t *)data;
    uint32_t i;
    crc = ~crc;
    for (i = 0; i < bytes; i++) {
        crc ^= at[i];
        crc = (crc >> 4) ^ table[crc & 15u];
        crc = (crc >> 4) ^ table[crc & 15u];
    }
    return ~crc;
}

static uint32_t length_of(const char *text) {
    uint32_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    return length;
}

/* ---- answers ---- */

/* `line` has room for the checksum and the end of the line. */
static void print_checked(const edgekd_session *session, char *line) {
    const uint32_t length = length_of(line);
    char *to = edgekd_put_text(line + length, " *");
    to = edgekd_put_hex(to, edgekd_crc32(0, line, length));
    edgekd_put_text(to, "\r\n");
    session->port->print(line);
}

static char *put_pair(char *to, const char *name, uint32_t value) {
    to = edgekd_put_text(to, name);
    return edgekd_put_unsigned(to, value);
}

/* How many samples, and which. */
static char *put_state(char *to, const edgekd_session *session) {
    to = put_pair(to, " samples=", session->samples);
    to = edgekd_put_text(to, " digest=");
    return edgekd_put_hex(to, session->digest);
}

static void print_error(const edgekd_session *session, const char *tag, const char *what) {
    char line[EDGEKD_LINE_CHARS + 32];
    char *to = edgekd_put_text(line, tag);
    to = edgekd_put_text(to, "error: ");
    edgekd_put_text(to, what);
    print_checked(session, line);
}

void edgekd_session_error(const edgekd_session *session, const char *what) { print_error(session, "", what); }

void edgekd_session_say(const edgekd_session *session, const char *text) {
    char line[EDGEKD_LINE_CHARS + 16];
    edgekd_put_text(line, text);
    print_checked(session, line);
}

static void print_about(const edgekd_session *session, const char *tag) {
    char line[EDGEKD_LINE_CHARS + 128];
    char *to = edgekd_put_text(line, tag);
    to = put_pair(to, "edgekd protocol=", EDGEKD_PROTOCOL_VERSION);
    to = edgekd_put_text(to, " ");
    to = edgekd_put_text(to, session->model->about);
    to = edgekd_put_text(to, " board=");
    to = edgekd_put_text(to, session->port->board);
    to = put_pair(to, " inputs=", session->model->inputs);
    to = put_pair(to, " outputs=", session->model->outputs);
    to = put_pair(to, " window=", session->model->window);
    edgekd_put_text(to, session->failed ? " selftest=FAIL" : " selftest=PASS");
    print_checked(session, line);
}

void edgekd_session_announce(edgekd_session *session) { print_about(session, ""); }

static void print_ok(const edgekd_session *session, const char *tag) {
    char line[EDGEKD_LINE_CHARS];
    char *to = edgekd_put_text(line, tag);
    to = put_state(edgekd_put_text(to, "ok"), session);
    to = edgekd_put_hex(edgekd_put_text(to, " boot="), session->boot);
    put_pair(to, " ms=", session->port->milliseconds());
    print_checked(session, line);
}

/* ---- the model ---- */

static void forget(edgekd_session *session) {
    session->samples = 0;
    session->digest = 0;
    session->predicted = 0;
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
    forget(session);
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
        session->model->integers(session->integers);
        session->predicted = 1;
    }
    return 1;
}

void edgekd_session_print_forecast(edgekd_session *session) {
    char number[EDGEKD_FLOAT_CHARS + 2];
    uint32_t i;
    for (i = 0; i < session->model->outputs; i++) {
        char *to = edgekd_put_float(number, session->forecast[i]);
        edgekd_put_text(to, i + 1u < session->model->outputs ? "," : "\r\n");
        session->port->print(number);
    }
}

/* ---- self-test ---- */

static char *put_place(char *to, uint32_t test, uint32_t output, const char *what) {
    to = put_pair(to, "self-test FAIL: window ", test);
    to = put_pair(to, ", output ", output);
    to = edgekd_put_text(to, ": ");
    return edgekd_put_text(to, what);
}

/* Returns 1 when one output is what it was, else 0 and the message. */
static int same(const edgekd_session *session, uint32_t test, uint32_t output, char *message) {
    const uint32_t at = test * session->model->outputs + output;
    const int32_t integer = session->model->vectors->integers[at];
    const float forecast = session->model->vectors->forecasts[at];
    char *to;
    if (session->integers[output] != integer) {
        to = put_place(message, test, output, "integer ");
        to = edgekd_put_text(edgekd_put_integer(to, session->integers[output]), ", expected ");
        edgekd_put_integer(to, integer);
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
    forget(session);
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
    forget(session);
    session->failed = (uint8_t)!good;
    if (good) {
        to = put_pair(message, "self-test PASS: ", windows);
        to = edgekd_put_text(to, windows > 1u ? " windows, " : " window, ");
        to = edgekd_put_unsigned(to, session->model->outputs);
        edgekd_put_text(to, " outputs each, equal to edgekd's");
    }
    return good;
}

/* ---- requests ---- */

/* The samples of a request, `separator` between them. With `take`, they are pushed. Returns 0 after an error. */
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
                char *to = put_pair(what, "column ", f + 1u);
                to = edgekd_put_text(to, " of this line is not followed by ");
                to = edgekd_put_text(to, last ? "the end of the line" : "a comma");
                put_pair(to, "; columns expected: ", count);
                print_error(session, r->tag, what);
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
        print_error(session, r->tag, "the self-test has failed, so there are no forecasts: selftest says where");
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
    to = put_pair(line, "# ", session->samples);
    to = put_pair(to, " of ", session->model->window);
    edgekd_put_text(to, " samples\r\n");
    session->port->print(line);
}

static int predicted(edgekd_session *session, const request *r) {
    if (refused(session, r)) {
        return 0;
    }
    if (!edgekd_session_predict(session)) {
        char what[64];
        char *to = put_pair(what, "too few samples: ", session->samples);
        put_pair(to, " of ", session->model->window);
        print_error(session, r->tag, what);
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
    put_pair(to, "=", session->clocks);
    print_checked(session, line);
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
        print_error(session, r->tag, "the number of an output is expected, from 0 on");
        return;
    }
    if (!predicted(session, r)) {
        return;
    }
    to = put_state(edgekd_put_text(edgekd_put_text(line, r->tag), word), session);
    to = put_pair(to, " from=", first);
    to = edgekd_put_text(to, " values=");
    for (i = first; i < session->model->outputs && i < first + EDGEKD_VALUES_PER_LINE; i++) {
        to = i > first ? edgekd_put_text(to, ",") : to;
        to = integers ? edgekd_put_integer(to, session->integers[i]) : edgekd_put_float(to, session->forecast[i]);
    }
    print_checked(session, line);
}

static void answer_integers(edgekd_session *session, const request *r) { answer_values(session, r, "integers", 1); }

static void answer_forecast(edgekd_session *session, const request *r) { answer_values(session, r, "forecast", 0); }

static void answer_reset(edgekd_session *session, const request *r) {
    uint32_t start = 0;
    if (r->text[0] != '\0' && !read_index(r->text, 100000u, &start)) {
        print_error(session, r->tag, "reset takes a number of up to 99999");
        return;
    }
    forget(session);
    session->digest = start;
    print_ok(session, r->tag);
}

static void answer_state(edgekd_session *session, const request *r) { print_ok(session, r->tag); }

static void answer_info(edgekd_session *session, const request *r) { print_about(session, r->tag); }

static void answer_self_test(edgekd_session *session, const request *r) {
    char message[EDGEKD_LINE_CHARS];
    char line[EDGEKD_LINE_CHARS + 32];
    if (!edgekd_session_self_test(session, message)) {
        print_error(session, r->tag, message);
        return;
    }
    edgekd_put_text(edgekd_put_text(line, r->tag), message);
    print_checked(session, line);
}

static void answer_help(edgekd_session *session, const request *r) {
    char line[EDGEKD_LINE_CHARS];
    char *to = edgekd_put_text(line, r->tag);
    edgekd_put_text(to, "one sample per line, or: sample predict integers forecast reset state selftest info help");
    print_checked(session, line);
}

typedef struct {
    const char *word;
    int takes; /* whether something follows the word: 0 no, 1 yes, 2 perhaps */
    void (*answer)(edgekd_session *session, const request *r);
} verb;

static const verb verbs[] = {
    {"sample", 1, answer_sample},     {"predict", 0, answer_predict}, {"integers", 1, answer_integers},
    {"forecast", 1, answer_forecast}, {"reset", 2, answer_reset},     {"state", 0, answer_state},
    {"selftest", 0, answer_self_test}, {"info", 0, answer_info},      {"help", 0, answer_help},
};

/* What follows `word` at the start of `text`, or NULL. */
static const char *after(const char *text, const verb *one) {
    const uint32_t length = length_of(one->word);
    if (memcmp(text, one->word, length) != 0) { /* lines are longer than every word, and end in NUL before */
        return NULL;
    }
    if (text[length] == '\0') {
        return one->takes == 1 ? NULL : text + length;
    }
    return text[length] == ' ' && one->takes ? text + length + 1 : NULL;
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
    while (length > 0 && (session->line[length - 1u] == ' ' || session->line[length - 1u] == '\r')) {
        length--;
    }
    session->line[length] = '\0';
    checked = cut_checksum(session->line, &length);
    if (checked < 0) {
        print_error(session, "", "the checksum is wrong");
        return;
    }
    r.text = session->line;
    if (!cut_tag(&r) || (r.tag[0] != '\0' && checked == 0)) {
        print_error(session, "", "a tag is @ and up to 9 digits, and its line ends in a checksum");
        return;
    }
    if (r.text[0] == '\0') {
        if (checked) {
            print_error(session, r.tag, "nothing is asked");
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
    answer_numbers(session, &r);
}

static int is_text(char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\r'; }

int edgekd_session_take(edgekd_session *session, char c) {
    const uint32_t length = session->length;
    if (c != '\n') {
        session->damaged = (uint8_t)(session->damaged || !is_text(c));
        if (length < EDGEKD_LINE_CHARS) {
            session->line[length] = c;
            session->length = length + 1u;
        }
        return 0;
    }
    session->length = 0;
    if (length >= EDGEKD_LINE_CHARS) {
        print_error(session, "", "a line is too long");
    } else if (session->damaged) {
        print_error(session, "", "a character is no text");
    } else {
        answer(session, length);
    }
    session->damaged = 0;
    return 1;
}
