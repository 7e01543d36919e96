#pragma once
/// \file Rows of numbers that the host and a backend's kernels both read and write.

#include <cstring>
#include <utility>
#include <vector>

#include "host/engine/simulation.hpp"
#include "kernels/physics/batch.hpp"

namespace stampede {

/// Rows of numbers, a row for each member of a struct of Reals, on the host and on the device: written here, read
/// there, or the other way round.
template <class Backend, class Scalar>
class MirroredRows {
 public:
  MirroredRows() = default;
  MirroredRows(Backend& backend, int rows, Index columns)
      : stride_(odd_lines(columns)),
        host_(static_cast<std::size_t>(rows * stride_)),
        device_(backend.template make_buffer<Scalar>(rows * stride_)) {}

  /// The struct of one lane.
  template <class Struct>
  Struct read(Backend& backend, Index lane) {
    if (std::exchange(device_newer_, false)) backend.download(device_, host_.data(), size());
    constexpr int kCount = static_cast<int>(sizeof(Struct) / sizeof(Scalar));
    Scalar members[kCount];
    for (int r = 0; r < kCount; ++r) members[r] = host_[static_cast<std::size_t>(r * stride_ + lane)];
    Struct s;
    std::memcpy(static_cast<void*>(&s), members, sizeof s);
    return s;
  }
  template <class Struct>
  void write(Backend& backend, Index lane, const Struct& s) {
    if (std::exchange(device_newer_, false)) backend.download(device_, host_.data(), size());
    constexpr int kCount = static_cast<int>(sizeof(Struct) / sizeof(Scalar));
    Scalar members[kCount];
    std::memcpy(members, static_cast<const void*>(&s), sizeof s);
    for (int r = 0; r < kCount; ++r) host_[static_cast<std::size_t>(r * stride_ + lane)] = members[r];
    host_newer_ = true;
  }

  /// For a kernel; `writes` where it changes them.
  RowsView<Scalar> view(Backend& backend, bool writes) {
    if (std::exchange(host_newer_, false)) backend.upload(device_, host_.data(), size());
    device_newer_ = device_newer_ || writes;
    return {device_.data(), stride_};
  }
  Index size() const { return static_cast<Index>(host_.size()); }

  Index stride() const { return stride_; }
  /// All rows, to be read until the next call: on a CPU where the kernels have them, so nothing is copied.
  const Scalar* readable(Backend& backend) {
    if constexpr (requires(Backend & b) { b.stream(); }) {  // a GPU's memory is not the host's
      if (std::exchange(device_newer_, false)) backend.download(device_, host_.data(), size());
      return host_.data();
    } else {
      return device_newer_ ? device_.data() : host_.data();
    }
  }
  /// All rows, to be written before the next call.
  Scalar* writable(Backend& backend) {
    if (std::exchange(device_newer_, false)) backend.download(device_, host_.data(), size());
    host_newer_ = true;
    return host_.data();
  }

  /// All numbers, row after row. Downloads them unless the host's are newer: a recorded graph may have changed them on
  /// the device without a call of `view`.
  const std::vector<Scalar>& read_all(Backend& backend) {
    if (!host_newer_) backend.download(device_, host_.data(), size());
    device_newer_ = false;
    return host_;
  }
  void write_all(const Scalar* from) {
    host_.assign(from, from + size());
    host_newer_ = true;
    device_newer_ = false;
  }

 private:
  Index stride_ = 0;
  std::vector<Scalar> host_;
  typename Backend::template Buffer<Scalar> device_;
  bool host_newer_ = true, device_newer_ = false;
};

}  // namespace stampede
