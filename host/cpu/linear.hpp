#pragma once
/// \file A matrix of weights on the CPU, by which network modules multiply rows: the products of host/cpu/dense.hpp
/// with a packed copy of the weights.

#include "host/cpu/buffer.hpp"
#include "host/cpu/dense.hpp"

namespace stampede {

/// W, which lies as [inputs][outputs] from `weight` on in the arrays that hold the parameters.
class CpuLinear {
 public:
  CpuLinear() = default;
  /// `outputs`: a multiple of kMaxLanes, padding included. `goes_back`: whether `backward` will be called.
  CpuLinear(Index inputs, Index outputs, Index weight, bool goes_back)
      : inputs_(inputs), outputs_(outputs), weight_(weight), packed_(inputs * outputs) {
    if (goes_back) transposed_ = HostBuffer<float>(outputs * padded(inputs));
  }

  /// To be called whenever the weights have changed: packs them. Pieces 0 ... pack_pieces() - 1 may be packed at the
  /// same time.
  int pack_pieces() const { return transposed_.size() > 0 ? 2 : 1; }
  void pack_piece(const float* parameters, int piece) {
    if (piece == 0) {
      dense::pack(inputs_, outputs_, parameters + weight_, outputs_, 1, packed_.data());
    } else {
      dense::pack(outputs_, inputs_, parameters + weight_, 1, outputs_, transposed_.data());
    }
  }

  /// to[row] = from[row] W for rows that lie `from_stride` and `to_stride` apart.
  void forward(Index rows, const float* from, Index from_stride, float* to, Index to_stride) const {
    dense::multiply_packed(rows, inputs_, outputs_, {from, from_stride, 1}, packed_.data(), {to, to_stride});
  }
  /// to[row] = from[row] W'. Writes zeros to the columns that pad the inputs to a multiple of kMaxLanes.
  void backward(Index rows, const float* from, Index from_stride, float* to, Index to_stride) const {
    dense::multiply_packed(rows, outputs_, padded(inputs_), {from, from_stride, 1}, transposed_.data(),
                           {to, to_stride});
  }
  /// Adds the sum over the rows of from[row]' delta[row] to the weights' place in `gradient`, and that of delta[row] to
  /// what begins at `bias` there; or sets them, where `accumulate` is false.
  void add_gradient(Index rows, const float* from, Index from_stride, const float* delta, Index delta_stride,
                    float* gradient, Index bias, bool accumulate) const {
    dense::multiply_samples(inputs_, rows, outputs_, from, from_stride, delta, delta_stride, gradient + weight_,
                            outputs_, accumulate);
    dense::column_sums(rows, outputs_, delta, delta_stride, gradient + bias, accumulate);
  }

 private:
  Index inputs_ = 0, outputs_ = 0, weight_ = 0;
  HostBuffer<float> packed_, transposed_;
};

}  // namespace stampede
