#include "host/model/robot/mujoco_handles.hpp"

#include <mujoco/mujoco.h>

namespace stampede {

void MujocoDeleter::operator()(mjModel_* model) const { mj_deleteModel(model); }
void MujocoDeleter::operator()(mjData_* data) const { mj_deleteData(data); }
void MujocoDeleter::operator()(mjSpec_* spec) const { mj_deleteSpec(spec); }

}  // namespace stampede
