from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cct.errors import RecipeError
from cct.operator.spec import LARGEST
from cct.recipe.knob import Section, knobs
from cct.recipe.pruning import Pruning
from cct.recipe.recipe import SECTIONS, Recipe
from cct.recipe.target import TARGETS
from cct.recipe.training import Training


def test_every_knob_survives_toml() -> None:
    recipe = Recipe(
        block=(8, 2),
        pool=((0, 1, 3, 4), (4, 5, 7, 8)),
        blocks=("a.*=2x1",),
        include=("a.*",),
        easing="lasso",
        lasso=1e-3,
    )
    recipe = replace(recipe, mean=(0.5,), std=(0.25,), size=(32, 48), goals=("accuracy:max-degradation=0.5",))
    assert Recipe.from_toml(recipe.to_toml()) == recipe
    assert Recipe.from_toml(Recipe().to_toml()) == Recipe()
    assert all(f"{field.name} = " in Recipe().to_toml() for field in fields(Recipe))


@given(st.floats(1, 1e6), st.integers(1, 64), st.integers(1, 64), st.floats(0, 1, width=32, allow_subnormal=False))
def test_numbers_survive_toml(compression: float, height: int, width: int, share: float) -> None:
    recipe = Recipe(compression=compression, block=(height, width), choose_at=share, cut_at=1.0)
    assert Recipe.from_toml(recipe.to_toml()) == recipe


def test_what_is_not_named_keeps_its_default() -> None:
    assert Recipe.from_toml("compression = 8\nblock = [1, 1]") == Recipe(compression=8.0, block=(1, 1))


def test_a_target_implies_what_is_not_named() -> None:
    recipe = Recipe.from_toml("target = 'cuda'")
    assert (recipe.block, recipe.weights, recipe.activations) == (TARGETS["cuda"].block, "float16", "float16")
    assert recipe == Recipe().for_target("cuda")
    named = Recipe.from_toml("target = 'cuda'\nblock = [16, 8]\nactivations = 'float32'")
    assert (named.block, named.weights, named.activations) == ((16, 8), "float16", "float32")
    assert Recipe.from_toml(named.to_toml()) == named


def test_another_target_goes_before_the_recipe() -> None:
    paper = Recipe.named("clicktrain-paper")
    assert paper.for_target(None) == paper.for_target("cpu") == paper
    assert paper.for_target("cuda") == replace(paper, target="cuda", **asdict(TARGETS["cuda"]))
    assert paper.for_target("cuda").for_target("cpu").block == (4, 1)
    assert replace(paper, blocks=("a=2x1",)).for_target("cuda").blocks == ()


def test_every_knob_is_documented() -> None:
    documented = " ".join(str(Recipe.__doc__).split())
    for name, knob in knobs(Recipe).items():
        assert len(knob.help) > 5
        assert f" {name}: {knob.help} ({knob.allowed_text()}; " in documented


def test_each_knob_is_in_one_section_and_toml_has_a_paragraph_for_each() -> None:
    names = [name for section in SECTIONS for name in knobs(section)]
    assert names == [field.name for field in fields(Recipe)]
    paragraphs = Recipe().to_toml().split("\n\n")
    assert [[line.split(" = ")[0] for line in text.splitlines()] for text in paragraphs] == [
        list(knobs(section)) for section in SECTIONS
    ]


@pytest.mark.parametrize(("section", "wrong"), [(Pruning, {"cut_at": 2}), (Training, {"momentum": 0})])
def test_a_section_is_checked_by_itself(section: type[Section], wrong: dict[str, float]) -> None:
    assert asdict(section()).items() <= asdict(Recipe()).items()
    with pytest.raises(RecipeError):
        section(**wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("target = 'gpu'", "choose one of cpu, cuda"),
        ("target = ['cuda']", "target is a list"),
        ("compresion = 4", "no knob 'compresion'; the nearest is compression"),
        ("lr = 4", "no knob 'lr'"),
        ("compression = 0.5", "compression is 0.5: it must be 1 or more"),
        ("compression = 1e300", "compression is 1e+300: it must be 1 or more, at most 1000000"),
        ("compression = 1000001", "compression is 1000001.0: it must be 1 or more, at most 1000000"),
        ("compression = inf", "compression is inf: it must be a finite number"),
        ("block = [65536, 1]", "two whole numbers from 1 to 65535"),
        ("epochs = 1000001", "epochs is 1000001: it must be at most 1000000"),
        ("batch_size = 9223372036854775807", "batch_size is 9223372036854775807: it must be at most 1000000"),
        ("accumulate = 10000000", "at most 1000000"),
        ("importance_batches = 10000000", "at most 1000000"),
        ("learning_rate = 1e300", "learning_rate is 1e+300: it must be 0, or what a float32 can hold"),
        ("learning_rate = 1e-300", "learning_rate is 1e-300: it must be 0, or what a float32 can hold"),
        ("weight_decay = 1e39", "what a float32 can hold"),
        ("mixup = 1e300", "what a float32 can hold"),
        ("temperature = 1e-40", "what a float32 can hold"),
        ('easing = "lasso"\nlasso = 1e300', "what a float32 can hold"),
        ("mean = [1e300]", "what a float32 can hold"),
        ("std = [1e-300]", "what a float32 can hold"),
        ("seed = ４", "the recipe is no TOML"),
        ("a = 1 #" + "x" * 100_000, "the recipe has 100007 characters: it must have at most 100000"),
        ("compression = nan", "compression is nan: it must be a finite number"),
        ("compression = 'four'", "compression is 'four': it must be a finite number"),
        ("compression = true", "compression is True: it must be a finite number"),
        ("compression = [4]", "compression is a list"),
        ("block = [4]", "two whole numbers"),
        ("block = [4, 0]", "two whole numbers"),
        ("block = [4, 1.5]", "each part must be a whole number"),
        ("block = 4", "block is 4: it must be a list"),
        ("blocks = ['a=2']", "blocks holds 'a=2': write LAYER=OUTxIN"),
        ("blocks = ['a=2x1', 'b']", "blocks holds 'b': write LAYER=OUTxIN"),
        ("blocks = 'a=2x1'", "blocks is 'a=2x1': it must be a list"),
        ("blocks = [[4, 1]]", "each part must be a text"),
        ("epochs = -1", "epochs is -1: it must be 0 or more"),
        ("seed = 9223372036854775808", "below 2^63"),
        ("lasso = -1", "lasso is -1.0: it must be 0 or more"),
        ("block = [4, 1, 1]", "two whole numbers"),
        ("size = [32, 32, 3]", "height and width"),
        ("lasso = 1" + "0" * 400, "lasso holds a number of more than 64 bits"),
        ("seed = 0x" + "f" * 5000, "seed holds a number of more than 64 bits"),
        ("pool = [[0x" + "f" * 5000 + "]]", "pool holds a number of more than 64 bits"),
        ("pool = [[[0]]]", "patterns of 4 ascending positions"),
        ("pool = " + "[" * 3000, "no TOML"),
        ("std = [0.5, 0]", "std is (0.5, 0.0): it must be above 0"),
        ("mean = [nan]", "each part must be a finite number"),
        ("mean = 0.5", "mean is 0.5: it must be a list"),
        ("size = [32]", "height and width"),
        ("size = [32, 100000]", "height and width"),
        ("weights = 'int8'", "choose one of float32, float16"),
        ("activations = 'bfloat16'", "choose one of float32, float16"),
        ("goals = ['accuracy']", "METRIC:KIND=LIMIT"),
        ("goals = 'accuracy:threshold=1'", "must be a list"),
        ("epochs = 1.5", "epochs is 1.5: it must be a whole number"),
        ("nesterov = 1", "nesterov is 1: it must be true or false"),
        ("momentum = 1", "from 0 to below 1"),
        ("momentum = 0", "momentum is 0: it must be above 0 when nesterov is true"),
        ("batch_size = 0", "1 or more"),
        ("temperature = 0", "above 0"),
        ("importance = 'fisher'", "choose one of magnitude, taylor"),
        ("pool = 'random'", "greedy, frequent, or a list of patterns"),
        ('pool = """a\nb"""', r"pool is a\nb: it must be"),
        ("pool = []", "1 to 126 different patterns"),
        ("pool = [[0, 1, 2, 9]]", "patterns of 4 ascending positions"),
        ("pool = [[0, 2, 1, 3]]", "patterns of 4 ascending positions"),
        ("pool = [[0, 1, 2]]", "patterns of 4 ascending positions"),
        ("pool = [[0, 1, 2, 3], [0, 1, 2, 3]]", "1 to 126 different patterns"),
        ("pool_size = 127", "between 1 and 126"),
        ("choose_at = 0.5\ncut_at = 0.25", "cut_at is 0.25: it must be choose_at"),
        ("lasso = 1e-3", 'unless easing is "lasso"'),
        ('lasso = 1e-3\neasing = "lasso"\nentries = 1', "0 if entries is 1"),
        ("entries = 3", "entries is 3: choose one of 4, 1"),
        ("include = 'layer1'", "include is 'layer1': it must be a list"),
        ("include = [1]", "each part must be a text"),
        ("compression = ", "the recipe is no TOML"),
    ],
)
def test_wrong_values_are_named(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_toml(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_largest_block_is_the_operators() -> None:
    assert Recipe(block=(LARGEST, 1)).block == (LARGEST, 1)
    with pytest.raises(RecipeError, match="block"):
        Recipe(block=(LARGEST + 1, 1))


def test_the_recipe_of_positions() -> None:
    assert Recipe.named("positions") == Recipe(entries=1)


def test_the_papers_recipe() -> None:
    paper = Recipe.named("clicktrain-paper")
    assert (paper.importance, paper.pool, paper.connectivity) == ("taylor", "frequent", "uniform")
    assert (paper.easing, paper.lasso) == ("lasso", 2.5e-4)
    with pytest.raises(RecipeError, match="the tool has clicktrain-paper"):
        Recipe.named("papers")


def test_a_changed_copy_is_checked_too() -> None:
    with pytest.raises(RecipeError, match="seed"):
        replace(Recipe(), seed=-1)
