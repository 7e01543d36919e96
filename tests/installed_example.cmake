# Installs the build into a fresh folder, builds the example with find_package(stampede), and runs it.
set(work ${BUILD}/installed_example)
file(REMOVE_RECURSE ${work})
file(MAKE_DIRECTORY ${work}/run)

function(run)
  execute_process(${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "status ${status}: ${ARGN}\n${output}")
  endif()
endfunction()

run(COMMAND ${CMAKE_COMMAND} --install ${BUILD} --prefix ${work}/prefix)
run(COMMAND ${CMAKE_COMMAND} -G Ninja -S ${EXAMPLE} -B ${work}/build -DCMAKE_PREFIX_PATH=${work}/prefix
            -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_BUILD_TYPE=Release)
run(COMMAND ${CMAKE_COMMAND} --build ${work}/build)
run(COMMAND ${work}/build/example WORKING_DIRECTORY ${work}/run)
run(COMMAND ${work}/build/fall WORKING_DIRECTORY ${work}/run)
run(COMMAND ${work}/prefix/bin/stampede list --json)
