/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sketch says and understands on its serial line, in plain C without Arduino.
 *
 * One request per line, which ends in LF, CR or both. A line of numbers is a sample; all else starts with a word:
 *
 *     1.07,25.1            one sample, its columns; an empty column or `nan` is a missing value. Answered for people
 *                          and Arduino's Serial Plotter: `# 3 of 100 samples`, or the forecast as numbers and commas.
 *                          Several samples may be in a line, `;` between them: the answer is to the last
 *     sample 1.07,25.1;1.069,25.2     one or more samples; all of them are taken, or none
 *     predict              run the model on the samples so far; `integers` and `forecast` read what came out
 *     integers 0           eight of the network's integers, from that one on
 *     forecast 0           eight numbers of the forecast, from that one on, in the target's unit
 *     reset, reset 17      forget all samples; the digest starts from 0 or from that number, up to 99999: a board
 *                          that lost power since is told from one that did not
 *     state                how many samples there are, and their digest
 *     selftest             run the stored windows and compare to the last bit; forgets all samples
 *     info                 identify model and board
 *     help                 list the requests; `?` and `hello` do, too
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

#include "edgekd_session.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Take one character; at the end of a line, answer it. Returns 1 then, else 0. */
int edgekd_session_take(edgekd_session *session, char c);

#ifdef __cplusplus
}
#endif

#endif
