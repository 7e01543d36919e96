#pragma once
/// \file `stampede bench busy`.

#include "host/app/cli/command.hpp"

namespace stampede::cli {

void add_bench_busy(CLI::App& bench, Chosen& chosen);

}  // namespace stampede::cli
