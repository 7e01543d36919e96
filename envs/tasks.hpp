#pragma once
/// \file The list of all tasks. Everything else follows from it: kernels for every processor, configuration, `list`.

#include "envs/pendulum/cartpole_swingup.hpp"
#include "envs/pendulum/double_pendulum.hpp"
#include "envs/pendulum/pendulum.hpp"

namespace stampede {

template <class... T>
struct TaskList {
  /// Calls body(Task{}) for each task.
  template <class Body>
  static void for_each(Body&& body) {
    (body(T{}), ...);
  }
};

using Tasks = TaskList<Pendulum, CartpoleSwingup, DoublePendulum>;

}  // namespace stampede
