"""What the user decides: frozen pydantic models, the one home of defaults and help."""

from napari_segtrain.config.augmentation import AugmentationConfig
from napari_segtrain.config.base import Config
from napari_segtrain.config.command import training_command
from napari_segtrain.config.data import (
    AutoValidation,
    DataConfig,
    FractionValidation,
    HandValidation,
    NormalizationConfig,
    NoValidation,
    ValidationConfig,
)
from napari_segtrain.config.experiment import (
    FORMAT_VERSION,
    ExperimentConfig,
    dump_yaml,
    load_yaml,
    parse_experiment,
    set_value,
)
from napari_segtrain.config.inference import InferenceConfig
from napari_segtrain.config.loss import (
    BoundaryCrossEntropyConfig,
    ClassWeightsConfig,
    CrossEntropyConfig,
    DiceConfig,
    DiceCrossEntropyConfig,
    EffectiveNumberWeights,
    FocalConfig,
    GeneralizedDiceConfig,
    InverseFrequencyWeights,
    LossConfig,
    NamedClassWeights,
    NoClassWeights,
    OrderedClassWeights,
    TverskyConfig,
)
from napari_segtrain.config.network import NetworkConfig, Norm, UNetConfig
from napari_segtrain.config.sampling import SamplingConfig
from napari_segtrain.config.schedule import (
    ConstantSchedule,
    CosineSchedule,
    OneCycleSchedule,
    OnPlateauSchedule,
    PiecewiseSchedule,
    PolynomialSchedule,
    ScheduleConfig,
)
from napari_segtrain.config.solver import (
    AdamSolver,
    AdamWSolver,
    RmspropSolver,
    SgdSolver,
    SolverConfig,
)
from napari_segtrain.config.template import annotated_yaml
from napari_segtrain.config.training import (
    EpochsLength,
    IterationsLength,
    LengthConfig,
    PlateauLength,
    TimeBudgetLength,
    TrainingConfig,
)

__all__ = [
    "FORMAT_VERSION",
    "AdamSolver",
    "AdamWSolver",
    "AugmentationConfig",
    "AutoValidation",
    "BoundaryCrossEntropyConfig",
    "ClassWeightsConfig",
    "Config",
    "ConstantSchedule",
    "CosineSchedule",
    "CrossEntropyConfig",
    "DataConfig",
    "DiceConfig",
    "DiceCrossEntropyConfig",
    "EffectiveNumberWeights",
    "EpochsLength",
    "ExperimentConfig",
    "FocalConfig",
    "FractionValidation",
    "GeneralizedDiceConfig",
    "HandValidation",
    "InferenceConfig",
    "InverseFrequencyWeights",
    "IterationsLength",
    "LengthConfig",
    "LossConfig",
    "NamedClassWeights",
    "NetworkConfig",
    "NoClassWeights",
    "NoValidation",
    "Norm",
    "NormalizationConfig",
    "OnPlateauSchedule",
    "OneCycleSchedule",
    "OrderedClassWeights",
    "PiecewiseSchedule",
    "PlateauLength",
    "PolynomialSchedule",
    "RmspropSolver",
    "SamplingConfig",
    "ScheduleConfig",
    "SgdSolver",
    "SolverConfig",
    "TimeBudgetLength",
    "TrainingConfig",
    "TverskyConfig",
    "UNetConfig",
    "ValidationConfig",
    "annotated_yaml",
    "dump_yaml",
    "load_yaml",
    "parse_experiment",
    "set_value",
    "training_command",
]
