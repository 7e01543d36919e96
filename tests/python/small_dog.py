"""A four-legged robot and its task, written by a test: no file of the program's own has to fit."""

LEGS = {"lf": (0.18, 0.08), "rf": (0.18, -0.08), "lh": (-0.18, 0.08), "rh": (-0.18, -0.08)}


def leg(name, x, y):
    side = 0.05 if y > 0 else -0.05
    return f"""
      <body name="{name}_hip" pos="{x} {y} 0">
        <inertial pos="0 0 0" mass="0.6" diaginertia="0.0008 0.0009 0.0007"/>
        <joint name="{name}_roll" axis="1 0 0" range="-0.8 0.8" armature="0.01" damping="0.1"/>
        <body name="{name}_thigh" pos="0 {side} 0">
          <inertial pos="0 0 -0.08" mass="0.8" diaginertia="0.004 0.004 0.0006"/>
          <joint name="{name}_pitch" axis="0 1 0" range="-1 2.5" armature="0.01" damping="0.1"/>
          <geom type="capsule" size="0.02" fromto="0 0 -0.02 0 0 -0.18"/>
          <body name="{name}_shin" pos="0 0 -0.2">
            <inertial pos="0 0 -0.1" mass="0.2" diaginertia="0.0012 0.0012 0.00005"/>
            <joint name="{name}_knee" axis="0 1 0" range="-2.6 -0.4" armature="0.01" damping="0.1"/>
            <geom name="{name}_foot" type="sphere" size="0.025" pos="0 0 -0.2"/>
          </body>
        </body>
      </body>"""


def servos(name):
    return "".join(f"""
    <position name="{name}_{joint}" joint="{name}_{joint}" kp="30" kv="0.7" forcerange="-{most} {most}"/>"""
                   for joint, most in (("roll", 20), ("pitch", 20), ("knee", 30)))


def write_dog(folder, control=""):
    """Writes dog.xml and dog.toml, with `control` in the latter's table of that name, and returns the task's file."""
    pose = "0 0.8 -1.6 " * 4
    (folder / "dog.xml").write_text(f"""<mujoco model="dog">
  <compiler angle="radian" autolimits="true"/>
  <worldbody>
    <geom name="floor" type="plane" size="0 0 0.05"/>
    <body name="trunk" pos="0 0 0.34">
      <freejoint/>
      <inertial pos="0 0 0" mass="8" diaginertia="0.05 0.12 0.14"/>
      <geom name="box" type="box" size="0.2 0.1 0.05"/>{"".join(leg(name, *at) for name, at in LEGS.items())}
    </body>
  </worldbody>
  <actuator>{"".join(map(servos, LEGS))}
  </actuator>
  <keyframe><key name="home" qpos="0 0 0.34 1 0 0 0 {pose}" ctrl="{pose}"/></keyframe>
</mujoco>
""")
    (folder / "dog.toml").write_text(f'extends = "legged-flat"\n[control]\nrobot = "dog.xml"\n{control}')
    return folder / "dog.toml"
