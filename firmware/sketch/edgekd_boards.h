/* SPDX-License-Identifier: Apache-2.0 */
/* The name of the board that is compiled for. Made by scripts/draw_boards from boards/. */
#ifndef EDGEKD_BOARDS_H
#define EDGEKD_BOARDS_H

#if defined(ARDUINO_ARDUINO_NANO33BLE)
#define EDGEKD_BOARD "nano33ble"
#elif defined(ARDUINO_NUCLEO_F446RE)
#define EDGEKD_BOARD "nucleo_f446re"
#elif defined(ARDUINO_NUCLEO_L4R5ZI)
#define EDGEKD_BOARD "nucleo_l4r5zi"
#elif defined(ARDUINO_RASPBERRY_PI_PICO)
#define EDGEKD_BOARD "rp2040_pico"
#elif defined(ARDUINO_TEENSY40)
#define EDGEKD_BOARD "teensy40"
#else
#define EDGEKD_BOARD "unknown"
#endif

#endif
