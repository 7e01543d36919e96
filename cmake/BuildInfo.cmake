# Writes generated/host/base/build_info.hpp at every build, and by EngineInterface.cmake generated/host/engine/interface.hpp.
# The first changes only with the commit, so only what includes it is compiled again.
if(CMAKE_SCRIPT_MODE_FILE)
  set(STAMPEDE_COMMIT "unknown")
  find_package(Git QUIET)
  if(GIT_FOUND)
    execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
                    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE status)
    if(status EQUAL 0)
      set(STAMPEDE_COMMIT "${commit}")
    endif()
  endif()
  configure_file(${SOURCE_DIR}/host/base/build_info.hpp.in ${OUTPUT} @ONLY)
  return()
endif()

set(header ${PROJECT_BINARY_DIR}/generated/host/base/build_info.hpp)
set(command
    ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUTPUT=${header} -DSTAMPEDE_VERSION=${PROJECT_VERSION}
    -DSTAMPEDE_BUILD=${STAMPEDE_BUILD_NAME}
    "-DSTAMPEDE_COMPILER=${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}"
    -P ${CMAKE_CURRENT_LIST_FILE})
set(interface ${PROJECT_BINARY_DIR}/generated/host/engine/interface.hpp)
add_custom_target(stampede_build_info
                  COMMAND ${command}
                  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DOUTPUT=${interface}
                          -P ${CMAKE_CURRENT_LIST_DIR}/EngineInterface.cmake
                  BYPRODUCTS ${header} ${interface} COMMENT "" VERBATIM)
