/* Classifies images: classify MODEL.sbn IMAGES.f32
 * IMAGES.f32 holds float32 images [N, C, H, W], normalised as the model's metadata say. */
#include <signbit.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char* message) {
    fprintf(stderr, "classify: %s\n", message);
    return 2;
}

int main(int argc, char** argv) {
    signbit_session* session;
    if (argc != 3) return fail("usage: classify MODEL.sbn IMAGES.f32");
    if (signbit_open(argv[1], NULL, 0, &session) != SIGNBIT_OK) return fail(signbit_last_error());

    const signbit_shape in = signbit_input_shape(session), out = signbit_output_shape(session);
    const size_t pixels = in.channels * in.height * in.width, classes = out.channels * out.height * out.width;
    float *image = malloc(pixels * sizeof *image), *scores = malloc(classes * sizeof *scores);
    FILE* images = fopen(argv[2], "rb");
    if (image == NULL || scores == NULL) return fail("out of memory");
    if (images == NULL) return fail("cannot open the file of images");

    size_t got;
    printf("%s\n", signbit_metadata(session));
    while ((got = fread(image, sizeof *image, pixels, images)) == pixels) {
        if (signbit_run(session, 1, image, pixels, scores, classes) != SIGNBIT_OK) return fail(signbit_last_error());
        size_t best = 0;
        for (size_t i = 1; i < classes; ++i)
            if (scores[i] > scores[best]) best = i;
        printf("class %zu, score %.9g\n", best, scores[best]);
    }
    if (got != 0) return fail("the file of images ends inside an image");
    fclose(images);
    free(scores);
    free(image);
    signbit_close(session);
    return 0;
}
