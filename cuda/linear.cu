/// \file A matrix of weights on the GPU.
#include "cuda/linear.cuh"

#include <algorithm>

namespace stampede {
namespace {

/// A block adds the rows of a stretch for so many columns, with so many threads for each of them.
constexpr int kColumns = 32, kRowsAtOnce = 8;
/// Most stretches of rows, and the fewest rows of one.
constexpr Index kMostStretches = 128, kStretchRows = 32;

struct SumArguments {
  const float* delta;  ///< [row][stride]
  float* partial;      ///< [stretch][columns]
  Index rows, columns, stride;
  Index stretch;  ///< rows of one
};

/// partial[stretch][column] = the sum over the stretch's rows: each thread adds every eighth row, the first one the
/// threads' sums in their order.
__global__ void __launch_bounds__(kColumns* kRowsAtOnce) sum_stretch(const __grid_constant__ SumArguments a) {
  __shared__ float sums[kRowsAtOnce][kColumns];
  const int of_column = static_cast<int>(threadIdx.x) % kColumns, of_row = static_cast<int>(threadIdx.x) / kColumns;
  const Index column = static_cast<Index>(blockIdx.x) * kColumns + of_column;
  const Index begin = static_cast<Index>(blockIdx.y) * a.stretch;
  const Index end = begin + a.stretch < a.rows ? begin + a.stretch : a.rows;
  float sum = 0.0f;
  if (column < a.columns) {
    for (Index row = begin + of_row; row < end; row += kRowsAtOnce) sum += a.delta[row * a.stride + column];
  }
  sums[of_row][of_column] = sum;
  __syncthreads();
  if (of_row > 0 || column >= a.columns) return;
  for (int i = 1; i < kRowsAtOnce; ++i) sum += sums[i][of_column];
  a.partial[static_cast<Index>(blockIdx.y) * a.columns + column] = sum;
}

/// Adds up the stretches, in their order.
struct AddStretches {
  const float* partial;
  float* sums;
  Index columns;
  int stretches;

  template <class Real>
  STAMPEDE_FN void operator()(Index column) const {
    Real sum = load<Real>(partial + column);
    for (int i = 1; i < stretches; ++i) sum += load<Real>(partial + i * columns + column);
    store(sums + column, sum);
  }
};

}  // namespace

CudaLinear::CudaLinear(CudaBackend& backend, Index inputs, Index outputs, Index weight, bool)
    : backend_(backend), inputs_(inputs), outputs_(outputs), weight_(weight), partial_(kMostStretches * outputs) {}

Product& CudaLinear::product(Direction direction, Index rows, Index from_stride, Index to_stride) {
  for (Prepared& there : prepared_) {
    if (there.direction == direction && there.rows == rows && there.from_stride == from_stride &&
        there.to_stride == to_stride) {
      return *there.product;
    }
  }
  ProductShape shape{};
  switch (direction) {         // column-major, W is outputs x inputs
    case Direction::kForward:  // Y (outputs x rows) = W X (inputs x rows)
      shape = {outputs_, rows, inputs_, false, false, outputs_, from_stride, to_stride, Epilogue::kNone};
      break;
    case Direction::kBackward:  // dX (inputs x rows) = W' dY (outputs x rows)
      shape = {inputs_, rows, outputs_, true, false, outputs_, from_stride, to_stride, Epilogue::kNone};
      break;
    case Direction::kGradient:  // dW (outputs x inputs) = dY X'; here `to_stride` is that of dY
      shape = {outputs_, inputs_, rows, false, true, to_stride, from_stride, outputs_, Epilogue::kNone};
      break;
  }
  prepared_.push_back({direction, rows, from_stride, to_stride, std::make_unique<Product>(backend_.blas(), shape)});
  return *prepared_.back().product;
}

void CudaLinear::forward(const Context& context, const float* parameters, Index rows, const float* from,
                         Index from_stride, float* to, Index to_stride) {
  product(Direction::kForward, rows, from_stride, to_stride)
      .run(backend_.blas(), context.backend->stream(), parameters + weight_, from, nullptr, to);
}

void CudaLinear::backward(const Context& context, const float* parameters, Index rows, const float* from,
                          Index from_stride, float* to, Index to_stride) {
  product(Direction::kBackward, rows, from_stride, to_stride)
      .run(backend_.blas(), context.backend->stream(), parameters + weight_, from, nullptr, to);
}

void CudaLinear::add_gradient(const Context& context, Index rows, const float* from, Index from_stride,
                              const float* delta, Index delta_stride, float* gradient, Index bias) {
  const cudaStream_t stream = context.backend->stream();
  product(Direction::kGradient, rows, from_stride, delta_stride)
      .run(backend_.blas(), stream, delta, from, nullptr, gradient + weight_);

  const Index wanted = std::clamp<Index>((rows + kStretchRows - 1) / kStretchRows, 1, kMostStretches);
  const Index stretch = (rows + wanted - 1) / wanted, stretches = (rows + stretch - 1) / stretch;
  const dim3 grid(cuda::blocks_for(outputs_, kColumns), static_cast<unsigned>(stretches));
  sum_stretch<<<grid, kColumns * kRowsAtOnce, 0, stream>>>(
      SumArguments{delta, partial_.data(), rows, outputs_, delta_stride, stretch});
  cuda::check_launch(stream, "sum_stretch");
  context.launch({0, outputs_}, AddStretches{partial_.data(), gradient + bias, outputs_, static_cast<int>(stretches)});
}

}  // namespace stampede
