/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgekd_lstm_s8 and _s16: LSTM for states of ELEMENT from LEAST to MOST. The including file has before
 *   SUM                           the type of a sum
 *   four_rows(sums, words, x, n)  sums of four rows of weights with x [n]; returns where their words end
 *   scaled(sum, fraction, shift)  a sum in units of 2^-12
 */

/* Sums of both layers of a gate, in units of 2^-12. */
static void sum_gate(const edgekd_lstm *layer, const edgekd_lstm_gate *gate, const ELEMENT *x, const ELEMENT *hidden,
                     int16_t *to) {
    const uint32_t *words = gate->input_weights;
    const uint32_t *recurrent = gate->recurrent_weights;
    uint32_t row, k;
    for (row = 0; row < layer->units; row += 4u) {
        SUM from_x[4];
        SUM from_hidden[4];
        words = four_rows(from_x, words, x, layer->inputs);
        recurrent = four_rows(from_hidden, recurrent, hidden, layer->units);
        for (k = 0; k < 4u && row + k < layer->units; k++) {
            const int32_t a = scaled(from_x[k], gate->input_fraction, gate->input_shift);
            const int32_t b = scaled(from_hidden[k], gate->recurrent_fraction, gate->recurrent_shift);
            to[row + k] = (int16_t)edgekd_saturate_s16(edgekd_saturate_s16(a) + edgekd_saturate_s16(b));
        }
    }
}

/* gates: four of [units], input, forget, cell, output. */
static void update(const edgekd_lstm *layer, const int16_t *gates, int16_t *cell, ELEMENT *hidden) {
    const uint32_t units = layer->units;
    uint32_t i;
    for (i = 0; i < units; i++) {
        const int32_t input = edgekd_logistic_s16(gates[i], 3, 0u);
        const int32_t forget = edgekd_logistic_s16(gates[units + i], 3, 0u);
        const int32_t candidate = edgekd_tanh_s16(gates[2u * units + i], 3, 0u);
        const int32_t output = edgekd_logistic_s16(gates[3u * units + i], 3, 0u);
        const int32_t kept = edgekd_requantize(forget * cell[i], layer->forget_fraction, layer->forget_shift, 0);
        const int32_t added = edgekd_requantize(input * candidate, layer->update_fraction, layer->update_shift, 0);
        int32_t state = edgekd_saturate_s16(edgekd_saturate_s16(kept) + edgekd_saturate_s16(added));
        int32_t activated;
        if (layer->cell_clip > 0) {
            state = edgekd_clamp(state, -layer->cell_clip, layer->cell_clip);
        }
        cell[i] = (int16_t)state;
        activated = edgekd_tanh_s16(state, layer->tanh_multiplier, layer->tanh_shift);
        activated = edgekd_requantize(activated * output, layer->hidden_fraction, layer->hidden_shift,
                                      layer->hidden_zero_point);
        hidden[i] = (ELEMENT)edgekd_clamp(activated, LEAST, MOST);
    }
}

void LSTM(const edgekd_lstm *layer, const ELEMENT *x, int16_t *scratch, ELEMENT *y) {
    const uint32_t units = layer->units;
    int16_t *const cell = scratch + 4u * units;
    ELEMENT *const first = (ELEMENT *)(void *)(cell + units);
    const ELEMENT *hidden = first;
    uint32_t step, i;
    for (i = 0; i < units; i++) {
        cell[i] = 0;
        first[i] = (ELEMENT)layer->hidden_zero_point;
    }
    for (step = 0; step < layer->steps; step++, x += layer->inputs, hidden = y, y += units) {
        for (i = 0; i < 4u; i++) {
            sum_gate(layer, &layer->gates[i], x, hidden, scratch + i * units);
        }
        update(layer, scratch, cell, y);
    }
}
