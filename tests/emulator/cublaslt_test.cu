/// \file The emulated cuBLASLt: what it multiplies, offers and refuses.
#include <cublasLt.h>

#include <cstring>
#include <vector>

#include "tests/emulator/testing.hpp"

namespace cuda_emulator::testing {
namespace {

/// D (2 x 2) = A B with a bias and ReLU, or without; A lies in columns that are 4 apart.
struct TestProduct {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;

  TestProduct(bool transpose_a, cublasLtEpilogue_t epilogue, const float* bias) {
    EXPECT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
    const cublasOperation_t transpose = CUBLAS_OP_T;
    if (transpose_a) {
      cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof transpose);
    }
    cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
    cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, transpose_a ? 3 : 2, transpose_a ? 2 : 3, 4);
    cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, 3, 2, 3);
    cublasLtMatrixLayoutCreate(&d, CUDA_R_32F, 2, 2, 2);
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtMatmulPreferenceCreate(&preference);
    cublasLtMatmulAlgoGetHeuristic(handle, operation, a, b, d, d, preference, 1, &result, &found);
  }
  cublasStatus_t run(const float* a_data, const float* b_data, float* d_data) {
    const float one = 1, zero = 0;
    return cublasLtMatmul(handle, operation, &one, a_data, a, b_data, b, &zero, d_data, d, d_data, d, &result.algo,
                          nullptr, 0, nullptr);
  }
};
const std::vector<float> kColumnsOfA = {1, 2, 9, 9, 3, 4, 9, 9, 5, 6, 9, 9}, kRowsOfA = {1, 3, 5, 9, 2, 4, 6, 9},
                         kB = {1, 0, 2, 0, 1, 1};

TEST_F(Emulator, Multiplies) {
  const float *a = device_floats(kColumnsOfA), *transposed = device_floats(kRowsOfA), *b = device_floats(kB),
              *bias = device_floats(std::vector<float>{10, -15});
  float* d = device_floats(4);
  EXPECT_EQ(TestProduct(false, CUBLASLT_EPILOGUE_DEFAULT, nullptr).run(a, b, d), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(read(d, 4), (std::vector<float>{11, 14, 8, 10}));
  EXPECT_EQ(TestProduct(true, CUBLASLT_EPILOGUE_BIAS, bias).run(transposed, b, d), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(read(d, 4), (std::vector<float>{21, -1, 18, -5}));
  EXPECT_EQ(TestProduct(false, CUBLASLT_EPILOGUE_RELU_BIAS, bias).run(a, b, d), CUBLAS_STATUS_SUCCESS);
  EXPECT_EQ(read(d, 4), (std::vector<float>{21, 0, 18, 0}));
}

TEST_F(Emulator, ProductsAreCheckedWhenTheyAreAskedFor) {
  const float *a = device_floats(kColumnsOfA), *b = device_floats(kB);
  float *d = device_floats(4), on_host[16] = {};
  TestProduct product(false, CUBLASLT_EPILOGUE_DEFAULT, nullptr);
  EXPECT_EQ(product.run(on_host, b, d), CUBLAS_STATUS_INVALID_VALUE);  // the host's memory
  EXPECT_EQ(product.run(b, a, d), CUBLAS_STATUS_INVALID_VALUE);        // beyond the end of B
  EXPECT_EQ(product.run(a + 1, b, d), CUBLAS_STATUS_INVALID_VALUE);    // less aligned than was said
  float* both = device_floats(64);
  EXPECT_EQ(product.run(both, b, both), CUBLAS_STATUS_INVALID_VALUE);  // the result overlaps with a factor
  TestProduct other(true, CUBLASLT_EPILOGUE_DEFAULT, nullptr);
  other.result = product.result;  // found for another product
  EXPECT_EQ(other.run(a, b, d), CUBLAS_STATUS_INVALID_VALUE);
}

/// d (1 x 1) = a b of `k` terms in BF16, whose columns are `stride` apart, d a float or in BF16.
struct Bf16Product {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t operation = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr;
  cublasLtMatmulHeuristicResult_t results[8] = {};
  int found = 0;
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;

  Bf16Product(std::uint64_t k, std::int64_t stride, cudaDataType of_result,
              cublasComputeType_t compute = CUBLAS_COMPUTE_32F) {
    EXPECT_EQ(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
    EXPECT_EQ(cublasLtMatmulDescCreate(&operation, compute, CUDA_R_32F), CUBLAS_STATUS_SUCCESS);
    cublasLtMatrixLayoutCreate(&a, CUDA_R_16BF, 1, k, stride);
    cublasLtMatrixLayoutCreate(&b, CUDA_R_16BF, k, 1, static_cast<std::int64_t>((k + 7) / 8 * 8));
    cublasLtMatrixLayoutCreate(&d, of_result, 1, 1, 8);
    cublasLtMatmulPreference_t preference = nullptr;
    cublasLtMatmulPreferenceCreate(&preference);
    const std::uint64_t workspace = 1 << 22;
    cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, 8);
    status = cublasLtMatmulAlgoGetHeuristic(handle, operation, a, b, d, d, preference, 8, results, &found);
  }
};

TEST_F(Emulator, MultipliesInBf16) {
  // 1 and 1 + 2^-7, columns of `a` 8 apart; both times 1 + 2^-7, with sums that need more than 8 bits.
  std::vector<std::uint16_t> a(16, 0x7fc0), b(8, 0x7fc0);
  a[0] = 0x3f80, a[8] = b[0] = b[1] = 0x3f81;
  const auto to_device = [](const std::vector<std::uint16_t>& from) {
    void* p = nullptr;
    EXPECT_EQ(cudaMalloc(&p, from.size() * 2), cudaSuccess);
    EXPECT_EQ(cudaMemcpy(p, from.data(), from.size() * 2, cudaMemcpyHostToDevice), cudaSuccess);
    return p;
  };
  const float one = 1, zero = 0;
  for (const cudaDataType type : {CUDA_R_32F, CUDA_R_16BF}) {
    Bf16Product product(2, 8, type);
    ASSERT_EQ(product.found, 1);
    float* d = device_floats(8);
    EXPECT_EQ(cublasLtMatmul(product.handle, product.operation, &one, to_device(a), product.a, to_device(b), product.b,
                             &zero, d, product.d, d, product.d, &product.results[0].algo, nullptr, 0, nullptr),
              CUBLAS_STATUS_SUCCESS);
    const float got = read(d, 1)[0], exact = 0x1.02p0f + 0x1.0404p0f;  // 2.02350...
    if (type == CUDA_R_32F) {
      EXPECT_EQ(got, exact);
    } else {
      std::uint16_t upper = 0;
      std::memcpy(&upper, &got, sizeof upper);
      EXPECT_EQ(upper, 0x4002) << "2.03125, next to 2.015625";
    }
  }
}

TEST_F(Emulator, ProductsInBf16AreChecked) {
  EXPECT_EQ(Bf16Product(2, 8, CUDA_R_32F).found, 1);
  const Bf16Product odd(2, 4, CUDA_R_32F);  // columns that begin on 8 bytes
  EXPECT_EQ(odd.found, 0);
  EXPECT_EQ(odd.status, CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_EQ(Bf16Product(2, 8, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32).status, CUBLAS_STATUS_NOT_SUPPORTED);
}

/// Without parts first, then with more and more of them.
TEST_F(Emulator, OffersSeveralAlgorithmsForLongSums) {
  for (const auto& [k, found] : {std::pair(1023, 1), {1024, 2}, {4096, 3}, {16384, 4}}) {
    const Bf16Product product(static_cast<std::uint64_t>(k), 8, CUDA_R_32F);
    ASSERT_EQ(product.found, found) << k;
    for (int i = 0; i < found; ++i) {
      std::uint32_t parts = 0;
      std::size_t written = 0;
      EXPECT_EQ(cublasLtMatmulAlgoConfigGetAttribute(&product.results[i].algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM, &parts,
                                                     sizeof parts, &written),
                CUBLAS_STATUS_SUCCESS);
      EXPECT_EQ(parts, 1u << (2 * i));
      EXPECT_FLOAT_EQ(product.results[i].wavesCount, 1.0f / 132);
      EXPECT_EQ(product.results[i].workspaceSize > 0, i > 0);
    }
  }
}

TEST_F(EmulatorDeathTest, AlgorithmsForEpiloguesMayBeMissing) {
  EXPECT_WELL_WITH("CUDA_EMULATOR_EPILOGUES", "0", [] {
    EXPECT_EQ(TestProduct(false, CUBLASLT_EPILOGUE_BIAS, device_floats(2)).found, 0);
    EXPECT_EQ(TestProduct(false, CUBLASLT_EPILOGUE_DEFAULT, nullptr).found, 1);
  });
}

}  // namespace
}  // namespace cuda_emulator::testing
