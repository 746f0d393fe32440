/* Readings `ms,uA,mV` on standard input; `ms,Ah` for each cycle that ends. The cell of firmware/ina219/sensor.cpp. */
#include <stdio.h>

#include "edgekd_capacity.h"

int main(void) {
    static const edgekd_cell cell = {3550, 60000, 2000, 300, 5000, 5, 10000, 0.5f, 1.3f};
    edgekd_counter counter;
    unsigned ms;
    int ua, mv;
    float ah;
    edgekd_counter_begin(&counter, &cell);
    while (scanf("%u,%d,%d", &ms, &ua, &mv) == 3) {
        if (edgekd_counter_read(&counter, ms, ua, mv, &ah)) {
            printf("%u,%.9g\n", ms, (double)ah);
        }
    }
    return 0;
}
