#pragma once
/// \file Owners of what MuJoCo's C interface hands out. Its headers are not needed to hold one.

#include <memory>

struct mjModel_;
struct mjData_;
struct mjSpec_;

namespace stampede {

struct MujocoDeleter {
  void operator()(mjModel_* model) const;
  void operator()(mjData_* data) const;
  void operator()(mjSpec_* spec) const;
};
using ModelHandle = std::unique_ptr<mjModel_, MujocoDeleter>;
using DataHandle = std::unique_ptr<mjData_, MujocoDeleter>;
using SpecHandle = std::unique_ptr<mjSpec_, MujocoDeleter>;

}  // namespace stampede
