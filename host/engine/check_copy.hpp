#pragma once
/// \file Checks the range of copies between the host and a device's arrays, for every backend.

#include <string>

#include "host/base/error.hpp"
#include "kernels/vocabulary.hpp"

namespace stampede {

/// Throws Error where elements at, at + 1, …, at + count - 1 are not all among an array's `size`. `what`: "upload" or
/// "download".
inline void check_copy(const char* what, Index size, Index at, Index count) {
  if (at >= 0 && count >= 0 && at <= size && count <= size - at) return;
  throw Error(std::string(what) + " of " + std::to_string(count) + " elements at place " + std::to_string(at) +
                  " of an array that has " + std::to_string(size),
              Status::kFailed);
}

}  // namespace stampede
