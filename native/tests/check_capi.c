/* Uses signbit.h as a C program would, to be built with sanitizers: check_capi MODEL.sbn
 *
 * Files and images lie in blocks of exactly their size, so that reading or writing past them is seen, and what is not
 * given back is seen at the end. */
#include <pthread.h>
#include <signbit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { THREADS = 4, ROUNDS = 10 };

static void check(int holds, const char* what) {
    if (holds) return;
    fprintf(stderr, "check_capi: %s (last error: %s)\n", what, signbit_last_error());
    exit(1);
}

static void* block(const void* bytes, size_t size) {
    void* copy = malloc(size);
    check(copy != NULL || size == 0, "no memory");
    if (size > 0 && bytes != NULL) memcpy(copy, bytes, size);
    return copy;
}

static size_t elements(signbit_shape shape) {
    return shape.channels * shape.height * shape.width;
}

/* The outputs of `batch` images, all of whose elements are 0.5; given back by the caller. */
static float* run(signbit_session* session, size_t batch) {
    const size_t pixels = batch * elements(signbit_input_shape(session));
    const size_t scores = batch * elements(signbit_output_shape(session));
    float *images = block(NULL, pixels * sizeof *images), *outputs = block(NULL, scores * sizeof *outputs);
    for (size_t i = 0; i < pixels; ++i) images[i] = 0.5F;
    check(signbit_run(session, batch, images, pixels, outputs, scores) == SIGNBIT_OK, "run");
    if (batch > 0)
        check(signbit_run(session, batch, images, pixels - 1, outputs, scores) == SIGNBIT_INVALID_ARGUMENT, "size");
    free(images);
    return outputs;
}

static void check_truncated(const char* file, size_t size) {
    for (size_t kept = 0; kept < size; ++kept) {
        char* part = block(file, kept);
        signbit_session* session = (signbit_session*)&session;
        const signbit_status status = signbit_open_memory(part, kept, NULL, 1, &session);
        check(status == (part == NULL ? SIGNBIT_INVALID_ARGUMENT : SIGNBIT_INVALID_FORMAT), "a truncated file");
        check(session == NULL, "no session after a failure");
        free(part);
    }
}

static void* use_shared(void* shared) {
    for (int round = 0; round < ROUNDS; ++round) {
        check(signbit_open("there is no such file", NULL, 1, &(signbit_session*){NULL}) == SIGNBIT_UNREADABLE_FILE,
              "a file that is not there");
        free(run(shared, (size_t)round));
    }
    return NULL;
}

int main(int argc, char** argv) {
    check(argc == 2, "usage: check_capi MODEL.sbn");
    FILE* stream = fopen(argv[1], "rb");
    check(stream != NULL && fseek(stream, 0, SEEK_END) == 0, "the model cannot be read");
    const size_t size = (size_t)ftell(stream);
    char* file = block(NULL, size);
    rewind(stream);
    check(fread(file, 1, size, stream) == size, "the model cannot be read");
    fclose(stream);
    check_truncated(file, size);

    signbit_session *from_path, *from_memory;
    check(signbit_open(argv[1], NULL, 2, &from_path) == SIGNBIT_OK, "open");
    check(signbit_open_memory(file, size, signbit_isa(0), 1, &from_memory) == SIGNBIT_OK, "open from memory");
    free(file);
    check(strlen(signbit_metadata(from_path)) > 0, "metadata");
    for (size_t batch = 0; batch < 70; batch = batch * 2 + 1) {
        float *a = run(from_path, batch), *b = run(from_memory, batch);
        const size_t bytes = batch * elements(signbit_output_shape(from_path)) * sizeof *a;
        check(bytes == 0 || memcmp(a, b, bytes) == 0, "both sessions agree");
        free(a);
        free(b);
    }
    signbit_close(from_memory);

    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; ++i)
        check(pthread_create(&threads[i], NULL, use_shared, from_path) == 0, "start a thread");
    for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
    signbit_close(from_path);
    puts("capi: ok");
    return 0;
}
