/* The one register of the nRF52840 that a sketch sets. */
#pragma once

#include <stdint.h>

struct NrfNvmc {
    volatile uint32_t ICACHECNF;
};

extern NrfNvmc nrf_nvmc;

#define NRF_NVMC (&nrf_nvmc)
#define NVMC_ICACHECNF_CACHEEN_Enabled (1UL)
#define NVMC_ICACHECNF_CACHEEN_Pos (0UL)
