import os

# ONNX Runtime's packages report to their maker on the machine and its models, unless this is there before they load.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
