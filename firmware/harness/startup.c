/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up for the emulated board: vector table, memory initialization, FPU, constructors, main().
 * The emulator stops at the first instruction of main() and calls the image's functions from there; returning from
 * main(), and every exception, stops at a breakpoint. The symbols come from image.ld.
 */
#include <stdint.h>

extern uint32_t edgekd_data_load[], edgekd_data_start[], edgekd_data_end[];
extern uint32_t edgekd_bss_start[], edgekd_bss_end[], edgekd_stack_top[];
extern void (*const edgekd_init_start[])(void);
extern void (*const edgekd_init_end[])(void);

int main(void);
void Reset_Handler(void);
void Fault_Handler(void);

/* An image without a main() of its own is the empty image, or is driven function by function. */
__attribute__((weak)) int main(void) { return 0; }

void Fault_Handler(void) {
    for (;;) {
        __asm__ volatile("bkpt 0");
    }
}

void Reset_Handler(void) {
    const uint32_t *load = edgekd_data_load;
    /* `volatile` keeps the compiler from calling memcpy and memset before memory is initialized. */
    for (volatile uint32_t *word = edgekd_data_start; word < edgekd_data_end; word++) {
        *word = *load++;
    }
    for (volatile uint32_t *word = edgekd_bss_start; word < edgekd_bss_end; word++) {
        *word = 0;
    }
#if defined(__ARM_FP)
    *(volatile uint32_t *)0xE000ED88u |= 0xFu << 20; /* CPACR: full access to the FPU */
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    for (void (*const *init)(void) = edgekd_init_start; init < edgekd_init_end; init++) {
        (*init)();
    }
    (void)main();
    Fault_Handler();
}

/* Initial stack pointer, then the system exceptions' handlers; no interrupt is ever enabled. */
__attribute__((section(".vectors"), used)) const struct {
    uint32_t *stack_top;
    void (*handler[15])(void);
} edgekd_vectors = {
    edgekd_stack_top,
    {Reset_Handler, Fault_Handler /* NMI */, Fault_Handler /* HardFault */},
};
