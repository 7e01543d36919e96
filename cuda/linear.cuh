#pragma once
/// \file A matrix of weights on the GPU, by which network modules multiply rows: products by cuBLASLt, and the sums of
/// rows for the gradients of biases. The counterpart of host/cpu/linear.hpp.

#include <memory>
#include <vector>

#include "cuda/backend.cuh"

namespace stampede {

/// W, which lies as [inputs][outputs] from `weight` on in the arrays that hold the parameters. All strides must be
/// multiples of kMaxLanes.
class CudaLinear {
 public:
  using Context = CudaBackend::Context;

  /// `outputs`: a multiple of kMaxLanes, padding included. `goes_back` changes nothing here.
  CudaLinear(CudaBackend& backend, Index inputs, Index outputs, Index weight, bool goes_back);

  /// Nothing to do: no packed copy of the weights is kept here, unlike on the CPU.
  void weights_changed(CudaBackend&, const float*) {}

  /// to[row] = from[row] W for rows that lie `from_stride` and `to_stride` apart.
  void forward(const Context& context, const float* parameters, Index rows, const float* from, Index from_stride,
               float* to, Index to_stride);
  /// to[row] = from[row] W'. Columns that pad the inputs are left as they are.
  void backward(const Context& context, const float* parameters, Index rows, const float* from, Index from_stride,
                float* to, Index to_stride);
  /// Sets the weights' place in `gradient` to the sum over the rows of from[row]' delta[row], and what begins at `bias`
  /// there to that of delta[row].
  void add_gradient(const Context& context, Index rows, const float* from, Index from_stride, const float* delta,
                    Index delta_stride, float* gradient, Index bias);

 private:
  enum class Direction { kForward, kBackward, kGradient };

  /// A product for one number of rows and one pair of strides; made on first use.
  struct Prepared {
    Direction direction;
    Index rows, from_stride, to_stride;
    std::unique_ptr<Product> product;
  };

  Product& product(Direction direction, Index rows, Index from_stride, Index to_stride);

  CudaBackend& backend_;
  Index inputs_, outputs_, weight_;
  std::vector<Prepared> prepared_;
  DeviceBuffer<float> partial_;  ///< [stretch of rows][outputs]: sums for the biases
};

}  // namespace stampede
