#pragma once
/// \file Matrix products by cuBLASLt, prepared once and then run without a look-up.
///
/// Factors in single precision, rounded to TF32 (11 significant bits) where that is asked for, or kept in BF16 (8 bits);
/// their products are added up in single precision, those of rounded factors by the tensor cores. An algorithm that
/// splits the inner dimension must add its parts in a separate, ordered step, so that the same input gives the same
/// bits in every run.
///
/// Of the algorithms that cuBLASLt offers, the first one is taken, which it takes for the fastest, but for the products
/// of few results and many terms (the gradients of weights: some hundred rows and columns, ten thousands of samples).
/// Unless such a one is split into many parts, most of the GPU has nothing to do; so there the first one is taken that
/// fills the GPU or, where none does, the one that fills most of it. Nothing is timed: the choice depends on cuBLASLt
/// and the GPU alone.

#include <cublasLt.h>

#include <memory>
#include <vector>

#include "cuda/bf16.cuh"
#include "cuda/buffer.cuh"
#include "host/engine/engine.hpp"

namespace stampede {

/// How a training multiplies: factors as they are, rounded to TF32, or, where dense layers learn, kept in BF16 and
/// elsewhere, as in rollouts, rounded to TF32.
enum class Precision { kFloat32, kTf32, kBf16 };

/// What cuBLASLt needs beside the matrices: a handle, and memory that every product on one stream may share.
class BlasContext {
 public:
  static constexpr Index kWorkspaceBytes = Index{32} << 20;

  BlasContext();
  BlasContext(const BlasContext&) = delete;
  BlasContext& operator=(const BlasContext&) = delete;
  ~BlasContext();

  /// Of the products that are prepared, and the networks that are made, from now on. At first kFloat32.
  void use(Precision precision) { precision_ = precision; }
  Precision precision() const { return precision_; }

  cublasLtHandle_t handle() const { return handle_; }
  void* workspace() { return workspace_.data(); }

 private:
  DeviceBuffer<float> workspace_;
  cublasLtHandle_t handle_ = nullptr;
  Precision precision_ = Precision::kFloat32;
};

/// What happens to the product's elements before they are stored.
enum class Epilogue { kNone, kBias, kBiasRelu };

/// D = epilogue(op(A) op(B)): column-major, op(A) is m x k, op(B) is k x n, D is m x n; the bias has m elements, one a
/// row of D.
struct ProductShape {
  Index m, n, k;
  bool transpose_a, transpose_b;
  Index lda, ldb, ldd;
  Epilogue epilogue;
  bool bf16_factors = false;  ///< A and B are in BF16, and their strides multiples of kBf16Quantum
  bool bf16_result = false;   ///< and so is D, which then has no epilogue
};

/// One of the algorithms that a library offers for a product.
struct Candidate {
  float waves;          ///< how often its blocks fill the GPU, by the library; whether all parts count is left open
  std::int64_t splits;  ///< into how many parts that is split
};
/// Which one to take (above); `all`, which is not empty, is in the library's order. It ignores what their speed is.
std::size_t choose(const ProductShape& shape, const std::vector<Candidate>& all);

/// A product ready to run. All arrays must be aligned to kAlignment bytes.
class Product {
 public:
  static constexpr int kAlignment = 64;

  /// Where cuBLASLt has no algorithm with the epilogue, the product is prepared without it: see fused(). Throws Error
  /// where there is no algorithm at all.
  Product(BlasContext& blas, const ProductShape& shape);

  /// Whether the epilogue is part of it.
  bool fused() const { return fused_; }

  /// Enqueues it. `bias` is read only where the epilogue is fused.
  void run(BlasContext& blas, cudaStream_t stream, const void* a, const void* b, const float* bias, void* d);

 private:
  template <class T, cublasStatus_t (*destroy)(T*)>
  struct Destroy {
    void operator()(T* handle) const { STAMPEDE_CUBLAS_WARN(destroy(handle)); }
  };
  using Operation =
      std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDescOpaque_t, cublasLtMatmulDescDestroy>>;
  using Layout =
      std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayoutOpaque_t, cublasLtMatrixLayoutDestroy>>;

  static constexpr int kMostCandidates = 16;

  static Layout make_layout(Index rows, Index columns, Index stride, bool bf16);
  bool find_algorithm(BlasContext& blas, const ProductShape& shape, Epilogue epilogue);
  /// Adds it to prepared_products().
  void note(const BlasContext& blas, const ProductShape& shape) const;

  Operation operation_;
  Layout a_, b_, d_;
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_bytes_ = 0;
  std::size_t candidate_ = 0;  ///< its place among those that were offered
  bool fused_ = false;
};

/// The products that were prepared in this process so far, each once, with cuBLASLt's own numbers for the algorithm
/// that it chose: which one it is depends on its version and on the GPU, and decides about bits and speed.
std::vector<MatrixProduct> prepared_products();

}  // namespace stampede
