# The libraries that libstampede is made of. All but MuJoCo are packages of the distribution (scripts/setup installs them).
# stampede_dependencies is what libstampede, the program and the tests are compiled and linked with.
find_package(Threads REQUIRED)
find_package(ZLIB REQUIRED)
find_package(GIF REQUIRED)
find_package(Protobuf REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(TOMLPLUSPLUS QUIET IMPORTED_TARGET tomlplusplus)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo-png)

# A header each: found by the file, as not every distribution packages a CMake configuration.
foreach(header IN ITEMS toml++/toml.h Eigen/Core boost/crc.hpp onnx/onnx_pb.h)
  string(MAKE_C_IDENTIFIER "STAMPEDE_INCLUDE_${header}" variable)
  find_path(${variable} ${header} PATH_SUFFIXES eigen3 REQUIRED)
  mark_as_advanced(${variable})
  list(APPEND STAMPEDE_INCLUDES ${${variable}})
endforeach()
list(REMOVE_DUPLICATES STAMPEDE_INCLUDES)
find_library(STAMPEDE_ONNX_PROTO onnx_proto REQUIRED)
mark_as_advanced(STAMPEDE_ONNX_PROTO)

add_library(stampede_dependencies INTERFACE)
# Distributions compile TOML's parser into a library; where it is headers only, each file that includes it compiles it.
if(TOMLPLUSPLUS_FOUND AND TOMLPLUSPLUS_LINK_LIBRARIES)
  target_link_libraries(stampede_dependencies INTERFACE PkgConfig::TOMLPLUSPLUS)
endif()
target_include_directories(stampede_dependencies SYSTEM INTERFACE ${STAMPEDE_INCLUDES})
# The ONNX messages come compiled in libonnx_proto, under these names.
target_compile_definitions(stampede_dependencies INTERFACE ONNX_NAMESPACE=onnx ONNX_ML=1)
target_link_libraries(stampede_dependencies INTERFACE
                      ${STAMPEDE_ONNX_PROTO} protobuf::libprotobuf spdlog::spdlog fmt::fmt
                      mujoco::mujoco nlohmann_json::nlohmann_json PkgConfig::CAIRO GIF::GIF ZLIB::ZLIB Threads::Threads
                      ${CMAKE_DL_LIBS})
