/// \file cuBLASLt: products of floats or of BF16. What is given is checked: shapes, strides, alignment, extents, that matrices do
/// not overlap, that the algorithm is one that was found for this very product.
#include <cublasLt.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <vector>

#include "internal.hpp"

using cuda_emulator::say;
using cuda_emulator::settings;

struct cublasLtContext {
  int unused;
};

namespace {

/// What algorithms that split the inner dimension want [bytes].
constexpr std::size_t kWorkspace = 1 << 20;
/// The number of the one algorithm; into how many parts it may split that dimension, each of so many terms at least.
/// It is offered without that at first, which leaves most of a GPU idle where the result is small.
constexpr std::uint32_t kAlgorithm = 21, kParts[] = {1, 4, 16, 64};
constexpr std::uint64_t kPartTerms = 256;
/// Rows and columns of the result that a block computes, and the blocks that fill the device.
constexpr std::uint64_t kTile = 128, kBlocks = 132;
/// What matrices in BF16 are aligned to, and their strides multiples of [bytes]: so tensor cores want them. cuBLASLt
/// itself would take a slower algorithm.
constexpr std::uint64_t kBf16Alignment = 16;
/// Tell objects from other memory.
constexpr std::uint64_t kLayout = 0x6c61796f7574, kOperation = 0x6f70, kPreference = 0x70726566;

std::set<const void*>& handles() {
  static auto* all = new std::set<const void*>;
  return *all;
}

bool valid(const cublasLtMatrixLayoutOpaque_t* m) { return m != nullptr && m->magic == kLayout; }
bool valid(const cublasLtMatmulDescOpaque_t* o) { return o != nullptr && o->magic == kOperation; }
bool valid(const cublasLtMatmulPreferenceOpaque_t* p) { return p != nullptr && p->magic == kPreference; }

struct Shape {
  std::uint64_t m, n, k;
  bool fits;
};
Shape shape_of(const cublasLtMatmulDescOpaque_t& o, const cublasLtMatrixLayoutOpaque_t& a,
               const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& d) {
  const bool ta = o.transpose_a != CUBLAS_OP_N, tb = o.transpose_b != CUBLAS_OP_N;
  const Shape s{ta ? a.columns : a.rows, tb ? b.rows : b.columns, ta ? a.rows : a.columns, true};
  return {s.m, s.n, s.k, s.k == (tb ? b.columns : b.rows) && s.m == d.rows && s.n == d.columns};
}

/// Stands for the product in an algorithm.
std::uint64_t digest(const cublasLtMatmulDescOpaque_t& o, const cublasLtMatrixLayoutOpaque_t& a,
                     const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c,
                     const cublasLtMatrixLayoutOpaque_t& d) {
  std::uint64_t h = 1469598103934665603u;
  const auto mix = [&](std::uint64_t x) { h = (h ^ x) * 1099511628211u; };
  mix(static_cast<std::uint64_t>(o.transpose_a)), mix(static_cast<std::uint64_t>(o.transpose_b));
  mix(static_cast<std::uint64_t>(o.epilogue)), mix(static_cast<std::uint64_t>(o.compute));
  for (const auto* l : {&a, &b, &c, &d}) {
    mix(l->rows), mix(l->columns), mix(static_cast<std::uint64_t>(l->stride)), mix(static_cast<std::uint64_t>(l->type));
  }
  return h;
}

bool in_bf16(const cublasLtMatrixLayoutOpaque_t& l) { return l.type == CUDA_R_16BF; }
std::size_t element_bytes(const cublasLtMatrixLayoutOpaque_t& l) { return in_bf16(l) ? 2 : sizeof(float); }
std::size_t extent(const cublasLtMatrixLayoutOpaque_t& l) {
  return ((l.columns - 1) * static_cast<std::uint64_t>(l.stride) + l.rows) * element_bytes(l);
}
/// Whether there are products of such types: factors of one type, results of that or floats.
bool types_fit(const cublasLtMatmulDescOpaque_t& o, const cublasLtMatrixLayoutOpaque_t& a,
               const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c,
               const cublasLtMatrixLayoutOpaque_t& d) {
  if (a.type != b.type || c.type != d.type || (in_bf16(d) && !in_bf16(a))) return false;
  return !in_bf16(a) || o.compute == CUBLAS_COMPUTE_32F;
}
/// Whether a matrix that is in BF16 lies as tensor cores want it.
bool quick(const cublasLtMatrixLayoutOpaque_t& l, std::uint64_t alignment) {
  return !in_bf16(l) ||
         (static_cast<std::uint64_t>(l.stride) * 2 % kBf16Alignment == 0 && alignment % kBf16Alignment == 0);
}
bool overlap(const void* a, std::size_t a_bytes, const void* b, std::size_t b_bytes) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return x < y + b_bytes && y < x + a_bytes;
}

/// Rounds to TF32: 11 significant bits, ties away from zero.
void round_to_tf32(std::vector<float>& values) {
  for (float& value : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    if (value == value) bits = (bits + 0x1000u) & ~0x1fffu;
    std::memcpy(&value, &bits, sizeof bits);
  }
}

float of_bf16(std::uint16_t upper) {
  const std::uint32_t bits = std::uint32_t{upper} << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
/// The nearest one, of two equally near that whose last bit is 0.
std::uint16_t to_bf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value != value) return 0x7fff;
  const std::uint32_t lower = bits & 0xffffu, upper = bits >> 16;
  const bool up = lower > 0x8000u || (lower == 0x8000u && upper % 2 == 1);
  return static_cast<std::uint16_t>(upper + (up ? 1 : 0));
}

/// op(M) as [column][row], densely.
template <class T, class Widen>
void pack(const T* from, const cublasLtMatrixLayoutOpaque_t& l, bool transpose, std::vector<float>& to, Widen widen) {
  const std::size_t rows = transpose ? l.columns : l.rows, columns = transpose ? l.rows : l.columns;
  const auto stride = static_cast<std::size_t>(l.stride);
  to.resize(rows * columns);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      to[c * rows + r] = widen(transpose ? from[r * stride + c] : from[c * stride + r]);
    }
  }
}
void pack(const void* from, const cublasLtMatrixLayoutOpaque_t& l, bool transpose, std::vector<float>& to) {
  if (in_bf16(l)) return pack(static_cast<const std::uint16_t*>(from), l, transpose, to, of_bf16);
  pack(static_cast<const float*>(from), l, transpose, to, [](float x) { return x; });
}

struct Product {
  Shape shape;
  cublasLtMatrixLayoutOpaque_t a_layout, b_layout, d_layout;
  bool transpose_a, transpose_b, tf32;
  int epilogue;
  float alpha;
  const void *a, *b;
  const float* bias;
  void* d;
  char* workspace;
  std::size_t workspace_bytes;

  void run() const {
    ++cuda_emulator::counters().products;
    static thread_local std::vector<float> left, right;
    if (workspace_bytes > 0) std::memset(workspace, 0xff, workspace_bytes);  // whoever kept something there sees it
    pack(a, a_layout, transpose_a, left);
    pack(b, b_layout, transpose_b, right);
    if (tf32) round_to_tf32(left), round_to_tf32(right);
    const std::size_t m = shape.m, n = shape.n, k = shape.k;
    // Of each column the inner dimension is cut into pieces, whose sums are added: nearly what a GPU's blocks do.
    constexpr std::size_t kPiece = 128;
    std::vector<float> total(m), part(m);
    for (std::size_t j = 0; j < n; ++j) {
      std::fill(total.begin(), total.end(), 0.0f);
      for (std::size_t begin = 0; begin < k; begin += kPiece) {
        std::fill(part.begin(), part.end(), 0.0f);
        for (std::size_t i = begin; i < std::min(k, begin + kPiece); ++i) {
          const float factor = right[j * k + i];
          const float* column = &left[i * m];
          float* sums = part.data();
          for (std::size_t r = 0; r < m; ++r) sums[r] += column[r] * factor;
        }
        for (std::size_t r = 0; r < m; ++r) total[r] += part[r];
      }
      const std::size_t out = j * static_cast<std::size_t>(d_layout.stride);
      for (std::size_t r = 0; r < m; ++r) {
        float x = alpha * total[r];
        if (epilogue & CUBLASLT_EPILOGUE_BIAS) x += bias[r];
        if (epilogue & CUBLASLT_EPILOGUE_RELU) x = x > 0.0f ? x : x != x ? x : 0.0f;
        if (in_bf16(d_layout)) {
          static_cast<std::uint16_t*>(d)[out + r] = to_bf16(x);
        } else {
          static_cast<float*>(d)[out + r] = x;
        }
      }
    }
  }
};

}  // namespace

extern "C" {

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "another status of cuBLAS";
  }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  const std::scoped_lock lock(cuda_emulator::mutex());
  if (cuda_emulator::fails_now("cublasLtCreate")) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasLtContext{};
  handles().insert(*handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  const std::scoped_lock lock(cuda_emulator::mutex());
  if (handles().erase(handle) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, std::uint64_t rows,
                                          std::uint64_t columns, std::int64_t stride) {
  if ((type != CUDA_R_32F && type != CUDA_R_16BF) || rows == 0 || columns == 0 ||
      stride < static_cast<std::int64_t>(rows)) {
    say("a matrix of %llu x %llu with a stride of %lld", static_cast<unsigned long long>(rows),
        static_cast<unsigned long long>(columns), static_cast<long long>(stride));
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  *layout = new cublasLtMatrixLayoutOpaque_t{kLayout, rows, columns, stride, type};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  if (!valid(layout)) return CUBLAS_STATUS_INVALID_VALUE;
  layout->magic = 0;
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if ((compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_FAST_TF32) || scale != CUDA_R_32F) {
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  *operation =
      new cublasLtMatmulDescOpaque_t{kOperation, compute, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  if (!valid(operation)) return CUBLAS_STATUS_INVALID_VALUE;
  operation->magic = 0;
  delete operation;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  if (!valid(operation) || value == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  const auto put = [&](void* to, std::size_t wanted) {
    if (bytes != wanted) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(to, value, bytes);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return put(&operation->transpose_a, 4);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return put(&operation->transpose_b, 4);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return put(&operation->epilogue, 4);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return put(&operation->bias, 8);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference =
      new cublasLtMatmulPreferenceOpaque_t{kPreference, 0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  if (!valid(preference)) return CUBLAS_STATUS_INVALID_VALUE;
  preference->magic = 0;
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    std::size_t bytes) {
  if (!valid(preference) || value == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  if (bytes != (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8u : 4u)) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      std::memcpy(&preference->workspace, value, bytes);
      return CUBLAS_STATUS_SUCCESS;
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      std::memcpy(&preference->reductions, value, bytes);
      return CUBLAS_STATUS_SUCCESS;
    default:
      std::memcpy(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
      return CUBLAS_STATUS_SUCCESS;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  const std::scoped_lock lock(cuda_emulator::mutex());
  *found = 0;
  if (cuda_emulator::fails_now("cublasLtMatmulAlgoGetHeuristic")) return CUBLAS_STATUS_SUCCESS;
  if (handles().count(handle) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!valid(operation) || !valid(a) || !valid(b) || !valid(c) || !valid(d) || !valid(preference) || wanted < 1) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Shape shape = shape_of(*operation, *a, *b, *d);
  if (!shape.fits || c->rows != d->rows || c->columns != d->columns) {
    say("matrices that do not fit together");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const bool fused = operation->epilogue != CUBLASLT_EPILOGUE_DEFAULT;
  if (fused && !settings().epilogues) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (!types_fit(*operation, *a, *b, *c, *d)) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (fused && in_bf16(*d)) cuda_emulator::fail("a bias in BF16, which a result in BF16 wants, is not emulated");
  if (!quick(*a, preference->alignment[0]) || !quick(*b, preference->alignment[1]) ||
      !quick(*d, preference->alignment[3])) {
    say("matrices in BF16 whose columns do not begin on %llu bytes", static_cast<unsigned long long>(kBf16Alignment));
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  const std::uint64_t blocks = ((shape.m + kTile - 1) / kTile) * ((shape.n + kTile - 1) / kTile);
  for (const std::uint32_t parts : kParts) {
    const bool split = parts > 1;
    if (*found == wanted || (split && (shape.k < kPartTerms * parts || preference->workspace < kWorkspace))) break;
    cublasLtMatmulHeuristicResult_t& result = results[(*found)++];
    result = {};
    result.workspaceSize = split ? kWorkspace : 0;
    result.wavesCount = static_cast<float>(blocks) / static_cast<float>(kBlocks);
    result.algo.data[0] = digest(*operation, *a, *b, *c, *d);
    result.algo.data[1] = result.workspaceSize;
    for (std::size_t i = 0; i < 4; ++i) result.algo.data[2 + i] = preference->alignment[i];
    // Parts are added in place where that is allowed.
    const std::uint32_t allowed = preference->reductions & CUBLASLT_REDUCTION_SCHEME_MASK;
    result.algo.data[7] = std::uint64_t{parts} << 32 | (split ? allowed & -allowed : 0);
    // The bias's pointer says how it will be aligned.
    const auto bias = reinterpret_cast<std::uintptr_t>(operation->bias);
    result.algo.data[6] = fused && bias != 0 ? std::min<std::uint64_t>(bias & -bias, 256) : 4;
    result.state = CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_SUCCESS;
}

/// One algorithm with one tile.
cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void* value,
                                                    std::size_t bytes, std::size_t* written) {
  if (algorithm == nullptr || value == nullptr || bytes != sizeof(std::uint32_t)) return CUBLAS_STATUS_INVALID_VALUE;
  std::uint32_t number = 0;
  switch (attribute) {
    case CUBLASLT_ALGO_CONFIG_ID:
      number = kAlgorithm;
      break;
    case CUBLASLT_ALGO_CONFIG_SPLITK_NUM:
      number = static_cast<std::uint32_t>(algorithm->data[7] >> 32);
      break;
    case CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME:
      number = static_cast<std::uint32_t>(algorithm->data[7]);
      break;
    default:
      break;
  }
  std::memcpy(value, &number, sizeof number);
  *written = sizeof number;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t a_layout, const void* b, cublasLtMatrixLayout_t b_layout,
                              const void* beta, const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t workspace_bytes, cudaStream_t stream) {
  const std::scoped_lock lock(cuda_emulator::mutex());
  if (cuda_emulator::fails_now("cublasLtMatmul")) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (handles().count(handle) == 0) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!valid(operation) || !valid(a_layout) || !valid(b_layout) || !valid(c_layout) || !valid(d_layout)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (algorithm == nullptr || algorithm->data[0] != digest(*operation, *a_layout, *b_layout, *c_layout, *d_layout)) {
    say("cublasLtMatmul with an algorithm that was found for another product");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const auto aligned = [](const void* p, std::uint64_t bytes) {
    return reinterpret_cast<std::uintptr_t>(p) % bytes == 0;
  };
  if (!aligned(a, algorithm->data[2]) || !aligned(b, algorithm->data[3]) || !aligned(c, algorithm->data[4]) ||
      !aligned(d, algorithm->data[5])) {
    say("cublasLtMatmul with matrices that are aligned less well than the algorithm was found for");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (workspace_bytes < algorithm->data[1] || (algorithm->data[1] > 0 && !aligned(workspace, 256)) ||
      (workspace_bytes > 0 && !cuda_emulator::on_device(workspace, workspace_bytes))) {
    say("cublasLtMatmul with too small a workspace, or none of the device's");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const std::size_t a_bytes = extent(*a_layout), b_bytes = extent(*b_layout), d_bytes = extent(*d_layout);
  const std::size_t bias_bytes = d_layout->rows * sizeof(float);
  const bool biased = (operation->epilogue & CUBLASLT_EPILOGUE_BIAS) != 0;
  const auto inside = [](const char* name, const void* p, std::size_t bytes) {
    if (cuda_emulator::on_device(p, bytes)) return true;
    say("cublasLtMatmul: matrix %s of %zu bytes is not in device memory: %s", name, bytes,
        cuda_emulator::describe(p).c_str());
    return false;
  };
  if (!inside("A", a, a_bytes) || !inside("B", b, b_bytes) || !inside("D", d, d_bytes))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (biased && (!inside("bias", operation->bias, bias_bytes) || !aligned(operation->bias, algorithm->data[6]))) {
    say("cublasLtMatmul: the bias is aligned less well than the algorithm was found for");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (overlap(d, d_bytes, a, a_bytes) || overlap(d, d_bytes, b, b_bytes) ||
      (biased && overlap(d, d_bytes, operation->bias, bias_bytes))) {
    say("cublasLtMatmul: the result overlaps with what it is made of");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  if (c != d) cuda_emulator::fail("cublasLtMatmul with C apart from D is not emulated");
  if (*static_cast<const float*>(beta) != 0.0f) cuda_emulator::fail("cublasLtMatmul that adds to D is not emulated");
  if (c_layout->stride != d_layout->stride) {
    say("cublasLtMatmul in place with two layouts");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const Product product{shape_of(*operation, *a_layout, *b_layout, *d_layout),
                        *a_layout,
                        *b_layout,
                        *d_layout,
                        operation->transpose_a != CUBLAS_OP_N,
                        operation->transpose_b != CUBLAS_OP_N,
                        operation->compute == CUBLAS_COMPUTE_32F_FAST_TF32,
                        operation->epilogue,
                        *static_cast<const float*>(alpha),
                        a,
                        b,
                        static_cast<const float*>(operation->bias),
                        d,
                        static_cast<char*>(workspace),
                        algorithm->data[1]};
  ++cuda_emulator::counters().launches;
  const cudaError_t error = cuda_emulator::enqueue(stream, {"product", [product] { product.run(); }});
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

}  // extern "C"
