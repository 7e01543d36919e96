#pragma once
/// \file Which trainings are over on the CPU before a GPU has done them.

#include "host/task/planned_task.hpp"

namespace stampede {

/// Whether a training is done sooner on so many threads of the CPU than on a GPU, by the model of both that is in the
/// source; it was not measured on a GPU. A training of a robot never is, nor one that sees pictures or has a teacher.
/// One that goes on is judged by all its iterations, and so runs where it began.
bool sooner_on_cpu(const PlannedTask& task, int threads);

}  // namespace stampede
