#include "host/model/robot/mjb.hpp"

#include <mujoco/mujoco.h>

namespace stampede {

std::string to_mjb(const mjModel_* model) {
  std::string bytes(static_cast<std::size_t>(mj_sizeModel(model)), '\0');
  mj_saveModel(model, nullptr, bytes.data(), static_cast<mjtSize>(bytes.size()));
  return bytes;
}

}  // namespace stampede
