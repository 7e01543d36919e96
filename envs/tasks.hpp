#pragma once
/// \file The tasks that come with the program, compiled in: kernels for every processor, configuration and `list` follow from this list.

#include "envs/pendulum/cartpole_swingup.hpp"
#include "envs/pendulum/double_pendulum.hpp"
#include "envs/pendulum/pendulum.hpp"

namespace stampede {

using BuiltInTasks = TaskList<Pendulum, CartpoleSwingup, DoublePendulum>;

}  // namespace stampede
