"""TRL's GRPOTrainer, with a search engine as the teacher: `python examples/trainers/trl_grpo.py`.

LESER writes the prompts, searches with each completion and scores it; TRL samples and learns.
"""

from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

from leser.bridge import open_bridge

with open_bridge(task="demo", backend="memory", rewards=["nDCG@10=0.7", "R@100=0.3"]) as bridge:
    trainer = GRPOTrainer(
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        reward_funcs=bridge.trl_reward,
        args=GRPOConfig(output_dir="runs/trl-demo", num_generations=8, max_completion_length=24, max_steps=200),
        train_dataset=Dataset.from_list(bridge.rows()),
    )
    trainer.train()
