/* GCC's _tile_loadconfig says that it reads 8 bytes of its 64, so that a compiler may leave out what
   llama.cpp writes into the rest; its first AMX instruction is then an illegal one (GCC 12). */
#ifdef __AMX_TILE__
#include <immintrin.h>
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(config)))
#endif
