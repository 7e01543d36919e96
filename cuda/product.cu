/// \file Matrix products by cuBLASLt.
#include "cuda/product.cuh"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

namespace stampede {
namespace {

/// What prepared_products() gives. Alive until the process ends.
struct Prepared {
  std::mutex guard;
  std::vector<MatrixProduct> products;
};
Prepared& prepared() {
  static auto* all = new Prepared;
  return *all;
}

/// What cuBLASLt tells of an algorithm; what its version does not know is left out. `split_k`: into how many parts the
/// inner dimension is split; `reduction`: how they are added (0: there is one part, 2 and 4: in a step of its own).
std::vector<std::pair<std::string, std::int64_t>> numbers_of(const cublasLtMatmulAlgo_t& algorithm) {
  constexpr std::pair<const char*, cublasLtMatmulAlgoConfigAttributes_t> kAttributes[] = {
      {"algorithm", CUBLASLT_ALGO_CONFIG_ID},
      {"tile", CUBLASLT_ALGO_CONFIG_TILE_ID},
      {"stages", CUBLASLT_ALGO_CONFIG_STAGES_ID},
      {"split_k", CUBLASLT_ALGO_CONFIG_SPLITK_NUM},
      {"reduction", CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME},
      {"swizzling", CUBLASLT_ALGO_CONFIG_CTA_SWIZZLING},
      {"custom_option", CUBLASLT_ALGO_CONFIG_CUSTOM_OPTION},
  };
  std::vector<std::pair<std::string, std::int64_t>> numbers;
  for (const auto& [name, attribute] : kAttributes) {
    std::uint32_t value = 0;  // all of these have four bytes
    std::size_t written = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof value, &written);
    if (status == CUBLAS_STATUS_SUCCESS && written == sizeof value) numbers.emplace_back(name, value);
  }
  return numbers;
}

/// Into how many parts an algorithm splits the inner dimension; 1 where cuBLASLt does not tell.
std::int64_t splits_of(const cublasLtMatmulAlgo_t& algorithm) {
  for (const auto& [name, number] : numbers_of(algorithm)) {
    if (name == "split_k") return std::max<std::int64_t>(number, 1);
  }
  return 1;
}

/// Whether factors in single precision are rounded to TF32: also those of a training that learns from others in BF16.
bool rounds_to_tf32(const BlasContext& blas, const ProductShape& shape) {
  return blas.precision() != Precision::kFloat32 && !shape.bf16_factors;
}

/// The product's precision, as system.json has it.
const char* factors_of(const BlasContext& blas, const ProductShape& shape) {
  return shape.bf16_factors ? "bf16" : rounds_to_tf32(blas, shape) ? "tf32" : "float32";
}

const char* name_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kBias:
      return "bias";
    case Epilogue::kBiasRelu:
      return "bias_relu";
    case Epilogue::kNone:
      break;
  }
  return "none";
}

}  // namespace

std::vector<MatrixProduct> prepared_products() {
  const std::scoped_lock lock(prepared().guard);
  return prepared().products;
}

BlasContext::BlasContext() : workspace_(kWorkspaceBytes / static_cast<Index>(sizeof(float))) {
  STAMPEDE_CUBLAS(cublasLtCreate(&handle_));
}

BlasContext::~BlasContext() {
  if (handle_ != nullptr) STAMPEDE_CUBLAS_WARN(cublasLtDestroy(handle_));
}

std::size_t choose(const ProductShape& shape, const std::vector<Candidate>& all) {
  // How much longer than the result's longer side the inner dimension of a weights' gradient is, at least; with less,
  // the result alone makes blocks enough.
  constexpr Index kLong = 4;
  if (shape.k < kLong * std::max(shape.m, shape.n)) return 0;
  const auto filled = [&](std::size_t i) { return all[i].waves * static_cast<float>(all[i].splits); };
  std::size_t best = 0;
  for (std::size_t i = 1; i < all.size() && filled(best) < 1.0f; ++i) {
    if (filled(i) > filled(best)) best = i;
  }
  return best;
}

Product::Layout Product::make_layout(Index rows, Index columns, Index stride, bool bf16) {
  cublasLtMatrixLayout_t layout = nullptr;
  STAMPEDE_CUBLAS(cublasLtMatrixLayoutCreate(&layout, bf16 ? CUDA_R_16BF : CUDA_R_32F, static_cast<std::uint64_t>(rows),
                                             static_cast<std::uint64_t>(columns), stride));
  return Layout(layout);
}

Product::Product(BlasContext& blas, const ProductShape& shape)
    : a_(shape.transpose_a ? make_layout(shape.k, shape.m, shape.lda, shape.bf16_factors)
                           : make_layout(shape.m, shape.k, shape.lda, shape.bf16_factors)),
      b_(shape.transpose_b ? make_layout(shape.n, shape.k, shape.ldb, shape.bf16_factors)
                           : make_layout(shape.k, shape.n, shape.ldb, shape.bf16_factors)),
      d_(make_layout(shape.m, shape.n, shape.ldd, shape.bf16_result)) {
  cublasLtMatmulDesc_t operation = nullptr;
  const cublasComputeType_t precision = rounds_to_tf32(blas, shape) ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  STAMPEDE_CUBLAS(cublasLtMatmulDescCreate(&operation, precision, CUDA_R_32F));
  operation_.reset(operation);
  const cublasOperation_t transpose = CUBLAS_OP_T;
  if (shape.transpose_a) {
    STAMPEDE_CUBLAS(
        cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, sizeof transpose));
  }
  if (shape.transpose_b) {
    STAMPEDE_CUBLAS(
        cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_TRANSB, &transpose, sizeof transpose));
  }
  if (shape.epilogue != Epilogue::kNone) fused_ = find_algorithm(blas, shape, shape.epilogue);
  if (!fused_ && !find_algorithm(blas, shape, Epilogue::kNone)) {
    throw Error("cuBLASLt: no algorithm for a product of " + std::to_string(shape.m) + " x " + std::to_string(shape.k) +
                    " and " + std::to_string(shape.k) + " x " + std::to_string(shape.n) + " in " +
                    factors_of(blas, shape),
                Status::kFailed);
  }
  note(blas, shape);
}

void Product::note(const BlasContext& blas, const ProductShape& shape) const {
  MatrixProduct made{shape.m,
                     shape.n,
                     shape.k,
                     shape.transpose_a,
                     shape.transpose_b,
                     factors_of(blas, shape),
                     name_of(fused_ ? shape.epilogue : Epilogue::kNone),
                     numbers_of(algorithm_)};
  made.algorithm.emplace_back("workspace_bytes", static_cast<std::int64_t>(workspace_bytes_));
  made.algorithm.emplace_back("candidate", static_cast<std::int64_t>(candidate_));
  const std::scoped_lock lock(prepared().guard);
  std::vector<MatrixProduct>& all = prepared().products;
  if (std::find(all.begin(), all.end(), made) == all.end()) all.push_back(std::move(made));
}

bool Product::find_algorithm(BlasContext& blas, const ProductShape& shape, Epilogue epilogue) {
  const cublasLtEpilogue_t kind = epilogue == Epilogue::kNone   ? CUBLASLT_EPILOGUE_DEFAULT
                                  : epilogue == Epilogue::kBias ? CUBLASLT_EPILOGUE_BIAS
                                                                : CUBLASLT_EPILOGUE_RELU_BIAS;
  STAMPEDE_CUBLAS(cublasLtMatmulDescSetAttribute(operation_.get(), CUBLASLT_MATMUL_DESC_EPILOGUE, &kind, sizeof kind));
  // A place for the bias, aligned to kAlignment and no better, so that the algorithm found suits any bias.
  const void* bias = epilogue == Epilogue::kNone ? nullptr : static_cast<const char*>(blas.workspace()) + kAlignment;
  STAMPEDE_CUBLAS(
      cublasLtMatmulDescSetAttribute(operation_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));

  cublasLtMatmulPreference_t created = nullptr;
  STAMPEDE_CUBLAS(cublasLtMatmulPreferenceCreate(&created));
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t,
                        Destroy<cublasLtMatmulPreferenceOpaque_t, cublasLtMatmulPreferenceDestroy>>
      preference(created);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    STAMPEDE_CUBLAS(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof value));
  };
  prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(BlasContext::kWorkspaceBytes));
  // Reductions in place are left out: they add the parts in the order in which they are finished, which varies.
  // Parts that are rounded to BF16 before they are added are left out too.
  prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
         static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE |
                                    (shape.bf16_result ? 0 : CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE)));
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    prefer(attribute, static_cast<std::uint32_t>(kAlignment));
  }

  std::array<cublasLtMatmulHeuristicResult_t, kMostCandidates> results{};
  int found = 0;
  const cublasStatus_t status =
      cublasLtMatmulAlgoGetHeuristic(blas.handle(), operation_.get(), a_.get(), b_.get(), d_.get(), d_.get(),
                                     preference.get(), kMostCandidates, results.data(), &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || (status == CUBLAS_STATUS_SUCCESS && found == 0)) return false;
  cuda::check(status, "cublasLtMatmulAlgoGetHeuristic");
  std::vector<Candidate> candidates;
  std::vector<std::size_t> place;
  for (std::size_t i = 0; i < static_cast<std::size_t>(found); ++i) {
    if (results[i].state != CUBLAS_STATUS_SUCCESS) continue;
    place.push_back(i);
    candidates.push_back({results[i].wavesCount, splits_of(results[i].algo)});
  }
  if (candidates.empty()) cuda::check(results[0].state, "the first result of cublasLtMatmulAlgoGetHeuristic");
  candidate_ = place[choose(shape, candidates)];
  algorithm_ = results[candidate_].algo;
  workspace_bytes_ = results[candidate_].workspaceSize;
  return true;
}

void Product::run(BlasContext& blas, cudaStream_t stream, const void* a, const void* b, const float* bias, void* d) {
  if (fused_) {
    STAMPEDE_CUBLAS(
        cublasLtMatmulDescSetAttribute(operation_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
  }
  const float one = 1.0f, zero = 0.0f;
  STAMPEDE_CUBLAS(cublasLtMatmul(blas.handle(), operation_.get(), &one, a, a_.get(), b, b_.get(), &zero, d, d_.get(), d,
                                 d_.get(), &algorithm_, workspace_bytes_ > 0 ? blas.workspace() : nullptr,
                                 workspace_bytes_, stream));
}

}  // namespace stampede
