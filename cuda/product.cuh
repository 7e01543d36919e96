#pragma once
/// \file Matrix products by cuBLASLt, prepared once and then run without a look-up.
///
/// Single precision, or TF32 where that is asked for: factors rounded to 11 significant bits, products added up in
/// single precision, on the tensor cores. An algorithm that splits the inner dimension must add its parts in a
/// separate, ordered step, so that the same input gives the same bits in every run.

#include <cublasLt.h>

#include <memory>
#include <vector>

#include "cuda/buffer.cuh"
#include "host/engine/engine.hpp"

namespace stampede {

/// What cuBLASLt needs beside the matrices: a handle, and memory that every product on one stream may share.
class BlasContext {
 public:
  static constexpr Index kWorkspaceBytes = Index{32} << 20;

  BlasContext();
  BlasContext(const BlasContext&) = delete;
  BlasContext& operator=(const BlasContext&) = delete;
  ~BlasContext();

  /// Whether products that are prepared from now on round their factors to TF32. At first they do not.
  void use_tf32(bool on) { tf32_ = on; }
  bool uses_tf32() const { return tf32_; }

  cublasLtHandle_t handle() const { return handle_; }
  void* workspace() { return workspace_.data(); }

 private:
  DeviceBuffer<float> workspace_;
  cublasLtHandle_t handle_ = nullptr;
  bool tf32_ = false;
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
};

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
  void run(BlasContext& blas, cudaStream_t stream, const float* a, const float* b, const float* bias, float* d);

 private:
  template <class T, cublasStatus_t (*destroy)(T*)>
  struct Destroy {
    void operator()(T* handle) const { STAMPEDE_CUBLAS_WARN(destroy(handle)); }
  };
  using Operation =
      std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy<cublasLtMatmulDescOpaque_t, cublasLtMatmulDescDestroy>>;
  using Layout =
      std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy<cublasLtMatrixLayoutOpaque_t, cublasLtMatrixLayoutDestroy>>;

  static Layout make_layout(Index rows, Index columns, Index stride);
  bool find_algorithm(BlasContext& blas, Epilogue epilogue);
  /// Adds it to prepared_products().
  void note(const BlasContext& blas, const ProductShape& shape) const;

  Operation operation_;
  Layout a_, b_, d_;
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_bytes_ = 0;
  bool fused_ = false;
};

/// The products that were prepared in this process so far, each once, with cuBLASLt's own numbers for the algorithm
/// that it chose: which one it is depends on its version and on the GPU, and decides about bits and speed.
std::vector<MatrixProduct> prepared_products();

}  // namespace stampede
