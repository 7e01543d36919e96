# `cmake --install`: program, library, modules, headers, and the package that find_package(stampede) finds.
if(NOT TARGET stampede)
  return()
endif()
include(CMakePackageConfigHelpers)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/stampede)

install(TARGETS stampede EXPORT stampede-targets)
# MuJoCo's library lies beside ours, where ours looks for it.
install(FILES ${STAMPEDE_MUJOCO_LIBRARY} DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET stampede_cli)
  install(TARGETS stampede_cli)
endif()
get_property(modules GLOBAL PROPERTY STAMPEDE_MODULES)
foreach(module IN LISTS modules)
  set(optional "")
  if(module STREQUAL "stampede-double")  # the target `program` is built without it
    set(optional OPTIONAL)
  endif()
  install(TARGETS ${module} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/stampede ${optional})
endforeach()

# The rooms that a user's program may include. Those of the modules (cpu, simulate, nets, learn, modules) are templates on a
# processor, of which libstampede holds nothing.
foreach(room IN ITEMS base engine model task peers app)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/host/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stampede/host
          FILES_MATCHING PATTERN "*.hpp" PATTERN "cli" EXCLUDE)
endforeach()
install(DIRECTORY ${PROJECT_SOURCE_DIR}/kernels ${PROJECT_SOURCE_DIR}/envs
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stampede FILES_MATCHING PATTERN "*.hpp")
install(FILES ${PROJECT_BINARY_DIR}/generated/host/base/build_info.hpp
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/stampede/host/base)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/envs/legged/robots DESTINATION ${CMAKE_INSTALL_DATADIR}/stampede
        FILES_MATCHING PATTERN "*.xml")
foreach(family IN ITEMS legged pendulum)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/envs/${family}/tasks DESTINATION ${CMAKE_INSTALL_DATADIR}/stampede
          FILES_MATCHING PATTERN "*.toml")
endforeach()

install(EXPORT stampede-targets NAMESPACE stampede:: DESTINATION ${package})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/stampede-config-version.cmake COMPATIBILITY SameMinorVersion)
file(WRITE ${PROJECT_BINARY_DIR}/stampede-config.cmake
     "include(\${CMAKE_CURRENT_LIST_DIR}/stampede-targets.cmake)\n")
install(FILES ${PROJECT_BINARY_DIR}/stampede-config.cmake ${PROJECT_BINARY_DIR}/stampede-config-version.cmake
        DESTINATION ${package})
