#pragma once
/// \file The CPU as a backend: a pool of threads, each running kernels on packs.
///
/// A backend offers the trainer (host/learn/trainer.hpp) the following; cuda/backend.cuh is the other one.
///
/// - `Buffer<T>`, `upload`, `download`: arrays on the device;
/// - `launch(n, kernel)`, `launch_single(kernel)`: over elements, and once: kernel(), or kernel(lane, lanes) on each of
///   the lanes that share the work, on a GPU those of a warp;
/// - `for_tiles(n, body, group)`: body(context, range) for ranges that cover [0, n). Within the body, launches on the
///   context follow each other without a barrier. Here a range is a tile small enough for the cache, and tiles go to
///   the threads; on a GPU it is everything at once. `Scratch` holds what is needed only within a tile;
/// - `sum<K>(n, columns, functor, out)`: K sums of floats for each column over n elements, in a fixed order;
///   `sum_each<K>(most, columns, functor, out)`: where columns differ in length, functor.elements(column);
///   `sum_then(n, functor, out, kernel)`: one such sum and what follows from it, kernel(), on a GPU in the same launch;
///   `count`: one sum of unsigned integers for each column, exactly;
/// - `Mlp`, `Linear` and `Gradient`: dense layers, a matrix of weights that modules multiply rows by, and the gradient
///   that tiles add to;
/// - `kNetworksInOneLaunch`: whether `Mlp` can run small networks whole, with what comes before and after
///   (cuda/small_network.cuh), and learn from a whole `Minibatch` (cuda/fused_minibatch.cuh). On a CPU launches cost
///   nothing;
/// - `use_device()`: to be called before something is allocated, where that may be another thread than made the
///   backend;
/// - `kGradientSlices`: into how many slices a kernel that adds up a gradient cuts its rows, so that there is work for
///   all threads of a device. A CPU's thread has a tile of its own already.
///
/// Whatever the number of threads, the same tiles are added in the same order: results do not depend on it.

#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "host/cpu/buffer.hpp"
#include "host/cpu/linear.hpp"
#include "host/cpu/mlp.hpp"
#include "host/cpu/pool.hpp"
#include "host/engine/check_copy.hpp"
#include "host/engine/communicator.hpp"
#include "host/engine/phase.hpp"
#include "host/engine/training_request.hpp"

namespace stampede {

class CpuBackend {
  static_assert(NetworkSettings::kLongestWindow <= kTrainingTile / 2, "a window is learned from within a tile");

 public:
  using Real = dense::Vector;
  template <class T>
  using Buffer = HostBuffer<T>;

  /// The most environments of a rollout's tile: so few that their data stays in the cache.
  static constexpr Index kRolloutTile = 64;
  /// Iterations whose reports and time stamps are kept.
  static constexpr int kReportSlots = 2;
  /// Whether phases can be timed in passing: here a mark is a reading of the clock.
  static constexpr bool kTimesWithoutWaiting = true;
  static constexpr bool kNetworksInOneLaunch = false;
  static constexpr Index kGradientSlices = 1;

  explicit CpuBackend(int threads) : pool_(threads), clocks_(static_cast<std::size_t>(pool_.threads())) {}

  void use_device() const {}
  int threads() const { return pool_.threads(); }

  /// What a tile's work is given: the thread that it runs on, and the slab that it adds gradients to.
  struct Context {
    CpuBackend* backend;
    int thread;
    int slab;    ///< which partial gradient its tile adds to
    bool first;  ///< whether the tile is the first of its slab

    /// Whether a tile's gradient is added to what is there, instead of setting it.
    bool accumulates() const { return !first; }

    template <class Kernel>
    void launch(Range range, const Kernel& kernel) const {
      using Number = typename KernelReal<Kernel, Real>::type;
      if constexpr (std::is_invocable_v<const Kernel&, Range>) {
        kernel(range);
      } else {
        for (Index i = range.begin; i < range.end; i += kLanes<Number>) kernel.template operator()<Number>(i);
      }
    }

    /// Whether work that depends on a flag in the range must be done. A GPU answers yes without looking.
    bool any_set(const float* flags, Range range) const {
      for (Index i = range.begin; i < range.end; i += kLanes<Real>) {
        if (any(load<Real>(flags + i) != Real(0.0f))) return true;
      }
      return false;
    }

    /// Prefetches rows that will be read in random order: `columns` values of each row that `order` names.
    void fetch_rows(const float* from, Index columns, const std::uint32_t* order, Index rows) const {
      if (from == nullptr) return;
      for (Index r = 0; r < rows; ++r) {
        const float* row = from + static_cast<Index>(order[r]) * columns;
        for (Index c = 0; c < columns; c += kMaxLanes) STAMPEDE_PREFETCH(row + c);
        STAMPEDE_PREFETCH(row + columns - 1);
      }
    }

    /// Adds the time since the thread's last mark to the phase's, where timing is on.
    void mark(Phase phase) const {
      if (!backend->timing_) return;
      ThreadClock& clock = backend->clocks_[static_cast<std::size_t>(thread)];
      const auto now = Clock::now();
      clock.seconds[static_cast<int>(phase)] += std::chrono::duration<double>(now - clock.last).count();
      clock.last = now;
    }
  };

  // ------------------------------------------------------------------------------------------ memory

  template <class T>
  Buffer<T> make_buffer(Index size) {
    return Buffer<T>(size);
  }
  template <class T>
  void upload(Buffer<T>& to, const T* from, Index count, Index at = 0) {
    check_copy("upload", to.size(), at, count);
    if (count > 0) std::memcpy(to.data() + at, from, static_cast<std::size_t>(count) * sizeof(T));
  }
  template <class T>
  void download(const Buffer<T>& from, T* to, Index count, Index at = 0) {
    check_copy("download", from.size(), at, count);
    if (count > 0) std::memcpy(to, from.data() + at, static_cast<std::size_t>(count) * sizeof(T));
  }

  /// Rows whose content is needed only within a tile: room for one tile's rows on each thread.
  class Scratch {
   public:
    Scratch() = default;
    Scratch(CpuBackend& backend, Index, Index columns)
        : per_thread_(padded(kTrainingTile * columns)), data_(per_thread_ * backend.threads()) {}
    float* at(const Context& context) { return data_.data() + context.thread * per_thread_; }
    /// Rows that there is room for at once.
    Index rows() const { return kTrainingTile; }

   private:
    Index per_thread_ = 0;
    HostBuffer<float> data_;
  };

  // ------------------------------------------------------------------------------------------ work

  template <class Kernel>
  void launch(Index n, const Kernel& kernel) {
    constexpr Index kPiece = 4096;
    if (n <= kPiece) return Context{this, 0, 0, true}.launch({0, n}, kernel);
    pool_.run(static_cast<int>((n + kPiece - 1) / kPiece), [&](int thread, int piece) {
      const Index begin = piece * kPiece;
      Context{this, thread, 0, true}.launch({begin, std::min(begin + kPiece, n)}, kernel);
    });
  }

  template <class Kernel>
  void launch_single(const Kernel& kernel) {
    if constexpr (std::is_invocable_v<const Kernel&, int, int>) {
      kernel(0, 1);
    } else {
      kernel();
    }
  }

  /// body(thread) on every thread at the same time.
  template <class Body>
  void on_all_threads(const Body& body) {
    std::atomic<int> arrived{0};
    pool_.run(threads(), [&](int thread, int) {
      // No task ends before all have begun, so that each thread takes one.
      arrived.fetch_add(1);
      while (arrived.load() < threads()) std::this_thread::yield();
      body(thread);
    });
  }

  /// For rollouts: a tile's work has to be independent of the others'. An environment has `group` elements.
  template <class Body>
  void for_tiles(Index n, const Body& body, Index group = 1) {
    const Index tile = std::clamp(padded((n + threads() - 1) / threads()), Index{kMaxLanes}, kRolloutTile * group);
    for (ThreadClock& clock : clocks_) clock = {};
    pool_.run(static_cast<int>((n + tile - 1) / tile), [&](int thread, int task) {
      if (timing_) clocks_[static_cast<std::size_t>(thread)].last = Clock::now();
      const Index begin = task * tile;
      body(Context{this, thread, 0, true}, Range{begin, std::min(begin + tile, n)});
    });
  }

  /// Partial gradients (slabs) that tiles add to, and their sum. How many there are depends on the sizes alone, not on
  /// the threads.
  class Gradient {
   public:
    Gradient() = default;
    /// For `samples` samples at most. A tile has complete windows of `window` rows only.
    Gradient(CpuBackend&, Index parameters, Index samples, Index window = 1)
        : tile_(std::max(Index{1}, training_tile(parameters, samples) / window) * window),
          stride_(padded(parameters)),
          total_(stride_) {
      const Index tiles = (samples + tile_ - 1) / tile_;
      // As many slabs as fit 2 MiB, at least 16: more would cost memory traffic, fewer would leave threads idle.
      const Index affordable = (Index{2} << 20) / (stride_ * static_cast<Index>(sizeof(float)));
      slabs_ =
          static_cast<int>(std::clamp(std::min(tiles, std::clamp(affordable, Index{16}, Index{64})), Index{1}, tiles));
      partial_ = HostBuffer<float>(stride_ * slabs_);
    }
    float* of(const Context& context) { return partial_.data() + context.slab * stride_; }
    float* total() { return total_.data(); }
    int slabs() const { return slabs_; }
    /// Samples of a tile.
    Index tile() const { return tile_; }
    /// A copy of the sum.
    std::vector<float> read(CpuBackend&) const { return {total_.data(), total_.data() + stride_}; }

    /// Adds up the slabs that the samples' tiles have used, in the slabs' order.
    void collect(CpuBackend& backend, Index samples) {
      const int used = std::min<int>(slabs_, static_cast<int>((samples + tile_ - 1) / tile_));
      backend.launch(stride_, Collect{partial_.data(), total_.data(), stride_, used});
    }

   private:
    struct Collect {
      const float* partial;
      float* total;
      Index stride;
      int slabs;
      template <class R>
      STAMPEDE_FN void operator()(Index at) const {
        R sum = load<R>(partial + at);
        for (int slab = 1; slab < slabs; ++slab) sum = sum + load<R>(partial + slab * stride + at);
        store(total + at, sum);
      }
    };

    int slabs_ = 1;
    Index tile_ = kTrainingTile, stride_ = 0;
    HostBuffer<float> partial_, total_;
  };

  /// For learning: tiles of as many samples as the gradient says, shared out to its slabs.
  template <class Body>
  void for_samples(Index n, const Gradient& gradient, const Body& body) {
    const Index size = gradient.tile(), tiles = (n + size - 1) / size;
    const int slabs = std::min<int>(gradient.slabs(), static_cast<int>(tiles));
    pool_.run(slabs, [&](int thread, int slab) {
      const Index from = slab * tiles / slabs, to = (slab + 1) * tiles / slabs;
      for (Index tile = from; tile < to; ++tile) {
        const Index begin = tile * size;
        body(Context{this, thread, slab, tile == from}, Range{begin, std::min(begin + size, n)});
      }
    });
  }

  /// *out = sum over i < n of functor(i, 0)[0], then then(), once.
  template <class Functor, class Then>
  void sum_then(Index n, const Functor& functor, float* out, const Then& then) {
    sum<1>(n, 1, functor, out);
    launch_single(then);
  }

  /// out[column][k] = sum over i < n of functor(i, column)[k], as floats, from 16 partial sums for each of 64
  /// stretches.
  template <int K, class Functor>
  void sum(Index n, int columns, const Functor& functor, float* out) {
    const Index stretch = std::max(padded((n + kStretches - 1) / kStretches), Index{256});
    const int stretches = static_cast<int>((n + stretch - 1) / stretch);
    const std::size_t wanted = static_cast<std::size_t>(columns) * kStretches * K;
    if (partial_sums_.size() < wanted) partial_sums_.resize(wanted);
    pool_.run(columns * stretches, [&](int, int task) {
      const int column = task / stretches, part = task % stretches;
      const Index begin = part * stretch, end = std::min(begin + stretch, n);
      sum_stretch<K>(begin, end, column, functor,
                     &partial_sums_[static_cast<std::size_t>((column * kStretches + part) * K)]);
    });
    for (int column = 0; column < columns; ++column) {
      for (int k = 0; k < K; ++k) {
        double total = 0;
        for (int part = 0; part < stretches; ++part) {
          total += partial_sums_[static_cast<std::size_t>((column * kStretches + part) * K + k)];
        }
        out[column * K + k] = static_cast<float>(total);
      }
    }
  }
  /// The same where column c has functor.elements(c) elements: each as a sum of its own.
  template <int K, class Functor>
  void sum_each(Index, int columns, const Functor& functor, float* out) {
    for (int column = 0; column < columns; ++column) {
      sum<K>(functor.elements(column), 1, OneColumn<Functor>{functor, column}, out + column * K);
    }
  }
  /// Makes room for sums of so many columns now, so that nothing is allocated later.
  void reserve_sums(int columns) {
    partial_sums_.resize(std::max(partial_sums_.size(), static_cast<std::size_t>(columns) * kStretches * kMostSums));
  }

  /// out[column] = sum over i < n of functor(i, column), a std::uint32_t.
  template <class Functor>
  void count(Index n, int columns, const Functor& functor, std::uint64_t* out) {
    for (int column = 0; column < columns; ++column) {
      std::uint64_t total = 0;
      for (Index i = 0; i < n; ++i) total += functor(i, column);
      out[column] = total;
    }
  }

  /// out[block * out_stride + row] = the largest finite one of the row's first n elements, kNoMaximum where there is
  /// none. Rows are `stride` apart, each block's behind those of the one before.
  void row_maxima(const float* from, Index blocks, int rows, Index stride, Index n, float* out, Index out_stride) {
    pool_.run(static_cast<int>(blocks), [&](int, int block) {
      for (int row = 0; row < rows; ++row) {
        const float* at = from + (block * rows + row) * stride;
        Real largest[2] = {Real(kNoMaximum), Real(kNoMaximum)};
        Index i = 0;
        for (; i + 2 * kLanes<Real> <= n; i += 2 * kLanes<Real>) {
          largest[0] = max(largest[0], finite_or(load<Real>(at + i), kNoMaximum));
          largest[1] = max(largest[1], finite_or(load<Real>(at + i + kLanes<Real>), kNoMaximum));
        }
        float lanes[kLanes<Real>];
        store(lanes, max(largest[0], largest[1]));
        float most = lanes[0];
        for (const float lane : lanes) most = max(most, lane);
        for (; i < n; ++i) most = max(most, finite_or(at[i], kNoMaximum));
        out[block * out_stride + row] = most;
      }
    });
  }

  // ------------------------------------------------------------------------------------------ networks

  class Mlp : public CpuMlp {
   public:
    Mlp(CpuBackend& backend, const std::vector<int>& sizes, Activation activation, Index offset, Index,
        bool with_input_gradient = false)
        : CpuMlp(sizes, activation, offset, backend.threads(), with_input_gradient) {}
    const float* forward(const Context& context, const float* parameters, const float* input, Index stride,
                         Index rows) {
      return CpuMlp::forward(context.thread, parameters, input, stride, rows);
    }
    const float* output(const Context& context) const { return CpuMlp::output(context.thread); }
    const float* hidden(const Context& context) const { return CpuMlp::hidden(context.thread); }
    float* output_gradient(const Context& context) { return CpuMlp::output_gradient(context.thread); }
    void backward(const Context& context, const float*, const float* input, Index stride, Index rows, float* gradient,
                  float* input_gradient = nullptr) {
      CpuMlp::backward(context.thread, input, stride, rows, gradient, context.accumulates(), input_gradient);
    }
    void weights_changed(CpuBackend& backend, const float* parameters) {
      backend.pool_.run(pack_pieces(), [&](int, int piece) { pack_piece(parameters, piece); });
    }
  };

  /// A matrix of weights; its functions are those of CpuLinear.
  class Linear : public CpuLinear {
   public:
    Linear(CpuBackend&, Index inputs, Index outputs, Index weight, bool goes_back)
        : CpuLinear(inputs, outputs, weight, goes_back) {}
    void weights_changed(CpuBackend& backend, const float* parameters) {
      backend.pool_.run(pack_pieces(), [&](int, int piece) { pack_piece(parameters, piece); });
    }
    void forward(const Context&, const float*, Index rows, const float* from, Index from_stride, float* to,
                 Index to_stride) const {
      CpuLinear::forward(rows, from, from_stride, to, to_stride);
    }
    void backward(const Context&, const float*, Index rows, const float* from, Index from_stride, float* to,
                  Index to_stride) const {
      CpuLinear::backward(rows, from, from_stride, to, to_stride);
    }
    void add_gradient(const Context& context, Index rows, const float* from, Index from_stride, const float* delta,
                      Index delta_stride, float* gradient, Index bias) const {
      CpuLinear::add_gradient(rows, from, from_stride, delta, delta_stride, gradient, bias, context.accumulates());
    }
  };

  // ------------------------------------------------------------------------------------------ other ranks

  /// Exchanges sums with the other ranks; until another is set, it is that of a single process.
  Communicator<CpuBackend>& communicator() { return *communicator_; }
  void set_communicator(std::unique_ptr<Communicator<CpuBackend>> communicator) {
    communicator_ = std::move(communicator);
  }

  // ------------------------------------------------------------------------------------------ order and time

  /// Runs a fixed sequence of work. A GPU records it once and replays it.
  template <class Body>
  void replay(int, const Body& body) {
    body();
  }
  void synchronise() {}

  /// Splits the time of for_tiles into phases from now on.
  void set_timing(bool on) { timing_ = on; }
  /// Seconds of the last for_tiles, the threads' mean.
  double phase_seconds(Phase phase) const {
    double sum = 0;
    for (const ThreadClock& clock : clocks_) sum += clock.seconds[static_cast<int>(phase)];
    return sum / static_cast<double>(clocks_.size());
  }

  /// Time stamps and reports: slot s holds those of one iteration in flight.
  void stamp(int slot, int index) { stamps_[slot][index] = Clock::now(); }
  double seconds_between(int slot, int from, int to) const {
    return std::chrono::duration<double>(stamps_[slot][to] - stamps_[slot][from]).count();
  }
  void enqueue_report(int slot, const Buffer<float>& from, Index count) {
    // Room in all slots at once, so that later iterations allocate nothing.
    for (std::vector<float>& report : reports_) {
      if (static_cast<Index>(report.size()) < count) report.resize(static_cast<std::size_t>(count));
    }
    download(from, reports_[slot].data(), count);
  }
  bool report_ready(int, bool) const { return true; }
  const float* report(int slot) const { return reports_[slot].data(); }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr int kStretches = 64;
  static constexpr std::size_t kMostSums = 4;  ///< of a column

  struct alignas(64) ThreadClock {
    Clock::time_point last{};
    double seconds[kPhases] = {};
  };

  /// A column of a functor's as its only one.
  template <class Functor>
  struct OneColumn {
    const Functor& functor;
    int column;
    template <class R, int K>
    void operator()(Index first, int, Array<R, K>& out) const {
      functor.template operator()<R>(first, column, out);
    }
  };

  template <int K, class Functor>
  static void sum_stretch(Index begin, Index end, int column, const Functor& functor, double* out) {
    constexpr int kParts = kMaxLanes / kLanes<Real>;
    Real sum[K][kParts];
    for (int k = 0; k < K; ++k) {
      for (int part = 0; part < kParts; ++part) sum[k][part] = 0.0f;
    }
    for (Index i = begin; i < end; i += kMaxLanes) {
      STAMPEDE_UNROLL
      for (int part = 0; part < kParts; ++part) {
        const Index first = i + part * kLanes<Real>;
        Array<Real, K> values;
        functor.template operator()<Real>(first, column, values);
        if (first + kLanes < Real >> end) {
          const auto counted = lane_indices<Real>(first) < UintOf<Real>(static_cast<std::uint32_t>(end));
          for (int k = 0; k < K; ++k) values[k] = select(counted, values[k], Real(0.0f));
        }
        for (int k = 0; k < K; ++k) sum[k][part] += values[k];
      }
    }
    for (int k = 0; k < K; ++k) {
      float lanes[kMaxLanes];
      for (int part = 0; part < kParts; ++part) store(lanes + part * kLanes<Real>, sum[k][part]);
      out[k] = static_cast<double>(dense::tree_sum(lanes));
    }
  }

  ThreadPool pool_;
  std::unique_ptr<Communicator<CpuBackend>> communicator_ = std::make_unique<SingleProcess<CpuBackend>>();
  std::vector<double> partial_sums_;
  bool timing_ = false;
  std::vector<ThreadClock> clocks_;
  Clock::time_point stamps_[kReportSlots][4];
  std::vector<float> reports_[kReportSlots];
};

}  // namespace stampede
