#include "edgekd_text.h"

#include <string.h>

#define DIGITS 9
#define NAN_BITS 0x7FC00000u
#define MAX_EXACT_POWER 22 /* 10^22 is the largest power of ten that is a double */

char *edgekd_put_text(char *to, const char *text) {
    while (*text != '\0') {
        *to++ = *text++;
    }
    *to = '\0';
    return to;
}

char *edgekd_put_unsigned(char *to, uint32_t value) {
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + (int)(value % 10u));
        value /= 10u;
    } while (value > 0u);
    while (count > 0) {
        *to++ = digits[--count];
    }
    *to = '\0';
    return to;
}

char *edgekd_put_integer(char *to, int32_t value) {
    if (value < 0) {
        *to++ = '-';
        return edgekd_put_unsigned(to, 0u - (uint32_t)value);
    }
    return edgekd_put_unsigned(to, (uint32_t)value);
}

char *edgekd_put_hex(char *to, uint32_t value) {
    int shift;
    for (shift = 28; shift >= 0; shift -= 4) {
        *to++ = "0123456789ABCDEF"[(value >> shift) & 15u];
    }
    *to = '\0';
    return to;
}

/* value > 0 -> the nine digits d of d * 10^(result - 8). */
static int decimal(float value, uint32_t *digits) {
    double v = (double)value;
    int exponent = 0;
    while (v >= 10.0) {
        v /= 10.0;
        exponent++;
    }
    while (v < 1.0) {
        v *= 10.0;
        exponent--;
    }
    *digits = (uint32_t)(v * 1e8 + 0.5);
    if (*digits >= 1000000000u) {
        *digits /= 10u;
        exponent++;
    }
    return exponent;
}

/* `count` of the nine digits, with the point after the first `before` of them (which may be 0 or less). */
static char *put_point(char *to, const char *digits, int count, int before) {
    int i;
    if (before <= 0) {
        to = edgekd_put_text(to, "0.");
    }
    for (i = before; i < 0; i++) {
        *to++ = '0';
    }
    for (i = 0; i < count || i < before; i++) {
        if (i == before && i > 0) {
            *to++ = '.';
        }
        *to++ = digits[i];
    }
    *to = '\0';
    return to;
}

char *edgekd_put_float(char *to, float value) {
    char digits[DIGITS + 1];
    uint32_t bits, number;
    int exponent;
    int count = DIGITS;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
        return edgekd_put_text(to, "nan");
    }
    if ((bits >> 31) != 0u) {
        *to++ = '-';
        value = -value;
    }
    if ((bits & 0x7FFFFFFFu) == 0x7F800000u) {
        return edgekd_put_text(to, "inf");
    }
    if ((bits & 0x7FFFFFFFu) == 0u) {
        return edgekd_put_text(to, "0");
    }
    exponent = decimal(value, &number);
    (void)edgekd_put_unsigned(digits, number);
    while (count > 1 && digits[count - 1] == '0') {
        count--;
    }
    if (exponent >= -4 && exponent < DIGITS) {
        return put_point(to, digits, count, exponent + 1);
    }
    to = put_point(to, digits, count, 1);
    *to++ = 'e';
    *to++ = exponent < 0 ? '-' : '+';
    exponent = exponent < 0 ? -exponent : exponent;
    if (exponent < 10) {
        *to++ = '0';
    }
    return edgekd_put_unsigned(to, (uint32_t)exponent);
}

static double scaled(double value, int exponent) {
    double power = 1.0;
    int left = exponent < 0 ? -exponent : exponent;
    for (; left > 0; left--) {
        power *= 10.0;
        if (left % MAX_EXACT_POWER == 1) {
            value = exponent < 0 ? value / power : value * power;
            power = 1.0;
        }
    }
    return value;
}

static int is_digit(char c) { return c >= '0' && c <= '9'; }

/* The exponent after an 'e', where there is one. Held below 1000, far beyond every float. */
static const char *read_exponent(const char *text, int *exponent) {
    const char *at = text + 1;
    int negative = *at == '-';
    int value = 0;
    if (*text != 'e' && *text != 'E') {
        return text;
    }
    if (*at == '+' || *at == '-') {
        at++;
    }
    if (!is_digit(*at)) {
        return text;
    }
    for (; is_digit(*at); at++) {
        value = value < 1000 ? 10 * value + (*at - '0') : value;
    }
    *exponent += negative ? -value : value;
    return at;
}

static const char *read_number(const char *text, float *value) {
    uint64_t digits = 0;
    int exponent = 0;
    int seen = 0;
    int point = 0;
    int negative = *text == '-';
    const char *at = text;
    double real;
    if (*at == '-' || *at == '+') {
        at++;
    }
    for (; is_digit(*at) || (*at == '.' && !point); at++) {
        if (*at == '.') {
            point = 1;
            continue;
        }
        seen = 1;
        if (digits < 100000000000000000u) {
            digits = 10u * digits + (uint64_t)(*at - '0');
            exponent -= point;
        } else {
            exponent += 1 - point;
        }
    }
    if (!seen) {
        return text;
    }
    at = read_exponent(at, &exponent);
    real = scaled((double)digits, exponent > 400 ? 400 : exponent < -400 ? -400 : exponent);
    *value = (float)(negative ? -real : real);
    return at;
}

static const char *after_spaces(const char *text) {
    while (*text == ' ' || *text == '\t' || *text == '\r') {
        text++;
    }
    return text;
}

const char *edgekd_read_float(const char *text, float *value) {
    const uint32_t nan = NAN_BITS;
    text = after_spaces(text);
    memcpy(value, &nan, sizeof nan);
    if (text[0] == 'n' && text[1] == 'a' && text[2] == 'n') {
        return after_spaces(text + 3);
    }
    return after_spaces(read_number(text, value));
}
