// The two things that a cart does with a frame on the GPU: make the network's tensor of it, and draw the panel.
//
// `prepare_tensor` is the one other implementation of edge.contract.preprocess.prepare and is held to it within
// one grey level. Every loop strides by the block's size, so that the same source compiles for a CPU with
// blocks of any size; tests/engines/test_kernels.py proves the arithmetic there, without a GPU.

// Luma of one pixel. `step` is the bytes from a pixel to the next. 0: the byte itself (GRAY8, I420 and NV12
// have step 1, YUYV 2). 1: BGR24, 2: RGB24, in OpenCV's 15-bit fixed point of BT.601.
static __device__ __forceinline__ int luma(const unsigned char *pixel, int colour) {
  if (colour == 0) return pixel[0];
  const int blue = colour == 1 ? pixel[0] : pixel[2], red = colour == 1 ? pixel[2] : pixel[0];
  return (blue * 3735 + pixel[1] * 19235 + red * 9798 + (1 << 14)) >> 15;
}

// Region of a frame to tensor: a separable weighted mean, range expanded, rounded once, black outside `inner`.
//
// plane        first byte of the region in the first plane; `pitch` bytes a row.
// first_y, weight_y  for each row of `inner`: first source row, and `taps_y` weights (0 where a row has fewer).
// first_x, weight_x  the same for columns.
// tensor       width x height bytes. `inner` lies at (inner_x, inner_y) in it.
// gain, offset full range = (value + offset) * gain; 1 and 0 for full-range luma.
// Grid: (ceil(width / tile), height). Shared memory: a float for each source column that a tile reads.
extern "C" __global__ void prepare_tensor(
    const unsigned char *plane, int pitch, int step, int colour,
    const int *first_y, const float *weight_y, int taps_y, int rows,
    const int *first_x, const float *weight_x, int taps_x, int columns,
    unsigned char *tensor, int width, int inner_x, int inner_y, int inner_width, int inner_height,
    float gain, float offset, int tile) {
  extern __shared__ float strip[];
  const int row = (int)blockIdx.y - inner_y;
  const int begin = (int)blockIdx.x * tile, end = min(begin + tile, width);
  unsigned char *out = tensor + (size_t)blockIdx.y * width;
  const int inner_begin = max(begin - inner_x, 0), inner_end = min(end - inner_x, inner_width);
  const bool inside = row >= 0 && row < inner_height && inner_begin < inner_end;

  int left = 0;
  if (inside) {
    // Down each source column first: neighbouring threads read neighbouring bytes.
    left = first_x[inner_begin];
    const int right = min(first_x[inner_end - 1] + taps_x, columns);
    const int top = first_y[row], below = min(taps_y, rows - top);
    for (int x = left + (int)threadIdx.x; x < right; x += (int)blockDim.x) {
      const unsigned char *source = plane + (size_t)top * pitch + (size_t)x * step;
      float sum = 0.0f;
      for (int k = 0; k < below; ++k) sum += weight_y[row * taps_y + k] * luma(source + (size_t)k * pitch, colour);
      strip[x - left] = sum;
    }
  }
  __syncthreads();
  for (int x = begin + (int)threadIdx.x; x < end; x += (int)blockDim.x) {
    const int column = x - inner_x;
    if (!inside || column < 0 || column >= inner_width) {
      out[x] = 0;
      continue;
    }
    const int start = first_x[column], across = min(taps_x, columns - start);
    float mean = 0.0f;
    for (int k = 0; k < across; ++k) mean += weight_x[column * taps_x + k] * strip[start + k - left];
    out[x] = (unsigned char)fminf(fmaxf(rintf((mean + offset) * gain), 0.0f), 255.0f);
  }
}

// A sprite's plane over a frame's plane, in place: alpha 255 replaces, 0 leaves. Bytes are bytes here: packed and
// planar formats differ only in how many a row has. Grid: any x, `rows` in y.
extern "C" __global__ void blend_plane(
    unsigned char *plane, int pitch, const unsigned char *sprite, int sprite_pitch, int bytes, int alpha) {
  unsigned char *target = plane + (size_t)blockIdx.y * pitch;
  const unsigned char *source = sprite + (size_t)blockIdx.y * sprite_pitch;
  const int stride = (int)(gridDim.x * blockDim.x);
  for (int x = (int)(blockIdx.x * blockDim.x + threadIdx.x); x < bytes; x += stride)
    target[x] = (unsigned char)((source[x] * alpha + target[x] * (255 - alpha) + 127) / 255);
}
