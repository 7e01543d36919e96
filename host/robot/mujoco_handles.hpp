#pragma once
/// \file Owners of what MuJoCo's C interface hands out.

#include <mujoco/mujoco.h>

#include <memory>

namespace stampede {

struct MujocoDeleter {
  void operator()(mjModel* model) const { mj_deleteModel(model); }
  void operator()(mjData* data) const { mj_deleteData(data); }
  void operator()(mjSpec* spec) const { mj_deleteSpec(spec); }
};
using ModelHandle = std::unique_ptr<mjModel, MujocoDeleter>;
using DataHandle = std::unique_ptr<mjData, MujocoDeleter>;
using SpecHandle = std::unique_ptr<mjSpec, MujocoDeleter>;

}  // namespace stampede
