#pragma once
/// \file The list of the tasks that are compiled into the program: their kernels for every processor, their settings
/// and the output of `stampede list` follow from it.

#include "envs/pendulum/cartpole_swingup.hpp"
#include "envs/pendulum/double_pendulum.hpp"
#include "envs/pendulum/pendulum.hpp"

namespace stampede {

using BuiltInTasks = TaskList<Pendulum, CartpoleSwingup, DoublePendulum>;

}  // namespace stampede
