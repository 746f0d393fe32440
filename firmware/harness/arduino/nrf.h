/* SPDX-License-Identifier: Apache-2.0 */
/* The one register of the nRF52840 that a sketch sets (Product Specification, NVMC). */
#ifndef EDGEKD_HARNESS_NRF_H
#define EDGEKD_HARNESS_NRF_H

#include <stdint.h>

#define NRF_NVMC_BASE 0x4001E000u
#define NVMC_ICACHECNF_CACHEEN_Enabled (1UL)
#define NVMC_ICACHECNF_CACHEEN_Pos (0UL)

struct NrfNvmc {
    uint32_t reserved[0x540 / 4];
    volatile uint32_t ICACHECNF;
};

#define NRF_NVMC (reinterpret_cast<NrfNvmc *>(NRF_NVMC_BASE))

#endif
