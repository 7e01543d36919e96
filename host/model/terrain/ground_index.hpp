#pragma once
/// \file Makes what kernels look up in a ground of heights and boxes.

#include <functional>
#include <string>

#include "host/engine/ground_map.hpp"

namespace stampede {

/// Makes the lists of boxes, the tops and the buffer. Spheres with radius plus margin up to `reach` find all boxes that
/// they can touch; links that reach up to `link_reach` are told when all ground is below them [m]. Throws Error where
/// too many boxes lie about one place; `where` names that, for the message.
void index_ground(GroundMap& map, double reach, double link_reach,
                  const std::function<std::string(double x, double y)>& where);

}  // namespace stampede
