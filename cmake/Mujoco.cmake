# MuJoCo: reads robot descriptions, draws, and is what we are compared with. Its library and headers come from its wheel,
# which scripts/setup unpacks into .mujoco; the tests' .venv holds the same. Makes the imported target mujoco::mujoco.
set(STAMPEDE_MUJOCO_ROOT "" CACHE PATH
    "Folder with mujoco/include/mujoco/mujoco.h and mujoco/libmujoco.so.*; empty: .mujoco, else .venv's site-packages")

set(roots ${STAMPEDE_MUJOCO_ROOT})
if(NOT STAMPEDE_MUJOCO_ROOT)
  file(GLOB site_packages ${PROJECT_SOURCE_DIR}/.venv/lib/python3.*/site-packages)
  set(roots ${PROJECT_SOURCE_DIR}/.mujoco ${site_packages})
endif()
set(STAMPEDE_MUJOCO_LIBRARY "")
foreach(root IN LISTS roots)
  file(GLOB library ${root}/mujoco/libmujoco.so.[34].*)
  if(library AND EXISTS ${root}/mujoco/include/mujoco/mujoco.h)
    list(GET library -1 STAMPEDE_MUJOCO_LIBRARY)
    set(include ${root}/mujoco/include)
    break()
  endif()
endforeach()
if(NOT STAMPEDE_MUJOCO_LIBRARY)
  list(JOIN roots ", " searched)
  message(FATAL_ERROR "MuJoCo 3 or 4 (mujoco/include/mujoco/mujoco.h and mujoco/libmujoco.so.*) is not in: ${searched}. "
                      "Run scripts/setup, which makes .mujoco, or set STAMPEDE_MUJOCO_ROOT")
endif()

# The file is named as its soname is, so what links it finds it by its folder alone.
get_filename_component(soname ${STAMPEDE_MUJOCO_LIBRARY} NAME)
add_library(mujoco::mujoco SHARED IMPORTED)
set_target_properties(mujoco::mujoco PROPERTIES
                      IMPORTED_LOCATION ${STAMPEDE_MUJOCO_LIBRARY} IMPORTED_SONAME ${soname}
                      INTERFACE_INCLUDE_DIRECTORIES ${include})
message(STATUS "MuJoCo: ${STAMPEDE_MUJOCO_LIBRARY}")
