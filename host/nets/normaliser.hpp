#pragma once
/// \file On a device: the running normalisation of observations, and the maps that make mirror images of rows.

#include <vector>

#include "host/engine/task_spec.hpp"
#include "kernels/normalise.hpp"

namespace stampede {

/// Running normalisation of observations, on the device: to mean 0 and standard deviation 1, then limited to +-`clip`.
/// Until moments are written or merged, observations are only limited. Pixels, which come first, stay as they are.
template <class Backend>
class ObservationNormaliser {
 public:
  using Context = typename Backend::Context;

  ObservationNormaliser(Backend& backend, int observations, float clip, int pixels = 0)
      : observations_(observations),
        pixels_(pixels),
        stride_(padded(observations)),
        clip_(clip),
        data_(backend.template make_buffer<float>(4 * stride_)) {
    write(backend, std::vector<float>(observations_, 0.0f), std::vector<float>(observations_, 0.0f),
          std::vector<float>(observations_, 1.0f));
  }

  Index stride() const { return stride_; }
  float clip() const { return clip_; }
  Index observations() const { return static_cast<Index>(observations_); }
  Index pixels() const { return pixels_; }
  float* counts() { return data_.data(); }
  float* mean() { return data_.data() + stride_; }
  float* variance() { return data_.data() + 2 * stride_; }
  float* inverse() { return data_.data() + 3 * stride_; }

  /// target[row] = normalised observation[index[row]] for `rows` rows; with a null index, of observation[row].
  void apply(const Context& context, const float* observation, const std::uint32_t* index, Index rows, float* target,
             const MirrorView& mirror = {}) {
    context.launch({0, rows * stride_}, rows_of(observation, index, target, mirror));
  }
  /// The kernel that does it, over rows of stride() numbers.
  NormaliseRows rows_of(const float* observation, const std::uint32_t* index, float* target,
                        const MirrorView& mirror = {}) {
    return {observation, index, mean(), inverse(), target, observations(), stride_, clip_, mirror};
  }

  void write(Backend& backend, const std::vector<float>& counts, const std::vector<float>& mean,
             const std::vector<float>& variance) {
    std::vector<float> all(static_cast<std::size_t>(4 * stride_), 0.0f);
    for (std::size_t i = 0; i < observations_; ++i) {
      const std::size_t stride = static_cast<std::size_t>(stride_);
      all[i] = counts[i];
      all[stride + i] = mean[i];
      all[2 * stride + i] = variance[i];
      all[3 * stride + i] = inverse_deviation(variance[i]);
    }
    backend.upload(data_, all.data(), 4 * stride_);
  }
  void read(Backend& backend, std::vector<float>& counts, std::vector<float>& mean, std::vector<float>& variance) {
    for (std::vector<float>* to : {&counts, &mean, &variance}) to->resize(observations_);
    const Index n = static_cast<Index>(observations_);
    backend.download(data_, counts.data(), n, 0);
    backend.download(data_, mean.data(), n, stride_);
    backend.download(data_, variance.data(), n, 2 * stride_);
  }

 private:
  std::size_t observations_;
  Index pixels_, stride_;
  float clip_;
  typename Backend::template Buffer<float> data_;
};

/// How the mirror image of a row is made from it (kernels/mirror.hpp), on the device; empty where nothing is mirrored.
template <class Backend>
class MirrorBuffer {
 public:
  MirrorBuffer() = default;
  /// `first_environment`: number of this rank's first environment among those of all ranks.
  MirrorBuffer(Backend& backend, const MirrorMap& map, Index first_environment)
      : first_environment_(static_cast<std::uint32_t>(first_environment)) {
    const auto size = static_cast<std::size_t>(padded(static_cast<Index>(map.place.size())));
    std::vector<std::uint32_t> place(map.place.begin(), map.place.end());
    std::vector<float> sign = map.sign;
    place.resize(size, 0);
    sign.resize(size, 0.0f);
    place_ = backend.template make_buffer<std::uint32_t>(static_cast<Index>(size));
    sign_ = backend.template make_buffer<float>(static_cast<Index>(size));
    backend.upload(place_, place.data(), static_cast<Index>(size));
    backend.upload(sign_, sign.data(), static_cast<Index>(size));
  }
  /// The map for one pass over a rollout: the pass decides which environments are mirrored.
  MirrorView in_pass(const Pass& pass) {
    if (sign_.size() == 0) return {};
    return {place_.data(), sign_.data(), pass, first_environment_};
  }

 private:
  typename Backend::template Buffer<std::uint32_t> place_;
  typename Backend::template Buffer<float> sign_;
  std::uint32_t first_environment_ = 0;
};

}  // namespace stampede
