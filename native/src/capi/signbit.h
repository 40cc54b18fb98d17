/* Runs binarized networks from .sbn files (docs/format.md). C99; needs nothing but the C library.
 *
 *     signbit_session *session;
 *     if (signbit_open("model.sbn", NULL, 0, &session) != SIGNBIT_OK) puts(signbit_last_error());
 *     ... signbit_run(session, ...);
 *     signbit_close(session);
 *
 * All functions may be called from any thread. A session may be shared: runs take turns. It must not be closed while
 * another call uses it, nor used afterwards. Text is UTF-8 and NUL-terminated. */
#ifndef SIGNBIT_H
#define SIGNBIT_H

#include <stddef.h>

#if defined(__GNUC__)
#define SIGNBIT_API __attribute__((visibility("default")))
#else
#define SIGNBIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A network, loaded and planned. */
typedef struct signbit_session signbit_session;

typedef enum signbit_status {
    SIGNBIT_OK = 0,
    SIGNBIT_INVALID_ARGUMENT = 1, /* a null pointer, a wrong size, a number out of its range */
    SIGNBIT_UNREADABLE_FILE = 2,  /* no such file, no permission, not a file */
    SIGNBIT_INVALID_FORMAT = 3,   /* not a .sbn file, or damaged; the message names the byte offset */
    SIGNBIT_UNUSABLE_ISA = 4,     /* no such instruction set, or not on this CPU */
    SIGNBIT_OUT_OF_MEMORY = 5,
    SIGNBIT_INTERNAL_ERROR = 6
} signbit_status;

/* One image or one output, stored channels first: element (c, h, w) is number (c * height + h) * width + w. A vector,
 * such as the logits of a classifier, has height and width 1. */
typedef struct signbit_shape {
    size_t channels, height, width;
} signbit_shape;

/* "X.Y.Z". */
SIGNBIT_API const char* signbit_version(void);

/* Name of the index-th instruction set that this CPU can run, the fastest first; NULL past the last. */
SIGNBIT_API const char* signbit_isa(size_t index);

/* What the latest failed call on this thread has to say; "" if none failed. Valid until the next one fails. */
SIGNBIT_API const char* signbit_last_error(void);

/* Loads a .sbn file into *session; *session is NULL after a failure.
 *   isa      a name that signbit_isa returns; NULL: the environment's SIGNBIT_ISA, or else the fastest
 *   threads  1 .. 256; 0: the environment's SIGNBIT_NUM_THREADS, or else 1 */
SIGNBIT_API signbit_status signbit_open(const char* path, const char* isa, int threads, signbit_session** session);

/* The same for a file in memory. The bytes may have any alignment and are not needed any more afterwards. */
SIGNBIT_API signbit_status signbit_open_memory(const void* data, size_t bytes, const char* isa, int threads,
                                               signbit_session** session);

/* Gives back all memory of the session; NULL is fine. */
SIGNBIT_API void signbit_close(signbit_session* session);

/* Shapes of one image and of its output; all zero, with an error, for NULL. */
SIGNBIT_API signbit_shape signbit_input_shape(const signbit_session* session);
SIGNBIT_API signbit_shape signbit_output_shape(const signbit_session* session);

/* The file's metadata, a JSON object as the producer wrote it: labels, and the mean and std with which the input is
 * normalised (docs/format.md). Valid until the session is closed; NULL, with an error, for NULL. */
SIGNBIT_API const char* signbit_metadata(const signbit_session* session);

/* The instruction set that the session uses; NULL, with an error, for NULL. */
SIGNBIT_API const char* signbit_session_isa(const signbit_session* session);

/* Runs `batch` images, one after the other in `input`, and writes their outputs one after the other to `output`.
 *   batch          any number; with 0 nothing is read or written
 *   input_floats   floats in `input`: batch * channels * height * width of the input's shape
 *   output_floats  floats in `output`: the same of the output's shape; it must not overlap `input` */
SIGNBIT_API signbit_status signbit_run(signbit_session* session, size_t batch, const float* input, size_t input_floats,
                                       float* output, size_t output_floats);

#ifdef __cplusplus
}
#endif

#endif
