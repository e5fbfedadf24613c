#pragma once
#include <zlib.h>

// `inflateInit2` is a macro, which Swift cannot call.
static inline int terapi_inflate_init(z_stream *stream, int window_bits) {
    return inflateInit2(stream, window_bits);
}

static inline int terapi_deflate_init(z_stream *stream, int window_bits) {
    return deflateInit2(stream, Z_BEST_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
}
